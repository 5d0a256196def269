"""``earmark spectrogram``."""

from __future__ import annotations

from typing import Any

from earmark.cli import options as o
from earmark.figures.options import SpectrogramCall


@o.taking(SpectrogramCall)
def spectrogram(*, json: o.Json = False, **given: Any) -> None:
    """Write an image of each recording, in folders by label.

    Images that are there already, made of the same recording with the same options, are left as they are. Of recordings that
    differ in their extension alone, the image's name keeps the extension: a.wav.png, a.flac.png.
    """
    import sys

    import earmark
    from earmark.errors import require

    require("PIL", extra="train")
    done = earmark.spectrogram(**given)
    for _, error in done.failed:
        o.say(f"earmark: {error}", file=sys.stderr)
    if json:
        o.show_json(done.to_dict())
    else:
        print(
            f"images    {len(done.written)} written, {len(done.skipped)} there already, {len(done.failed)} failed: {given['out']}"
        )
        print(f"rate      {done.sample_rate} Hz, a frame every {1000 * done.hop_seconds:g} ms")
        if done.counts:
            print(f"folders   {', '.join(f'{name} ({count})' for name, count in done.counts.items())}")
        for note in done.notes:
            o.say(f"note      {note}")
        if done.with_extension:
            print(
                f"names     {done.with_extension} keep their recording's extension, since two would be the same without it"
            )
    o.exit_for(len(done.failed))
