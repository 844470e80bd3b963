# SPDX-License-Identifier: AGPL-3.0-or-later
"""`tools/scenes`: labelled pictures, sprites, composites and clips from one seed.

tools/scenes sprites    --out DIR --count 600
tools/scenes pictures   --out DIR --count 400
tools/scenes composites --out DIR --count 2500 --photos DIR --sprites DIR
tools/scenes clip street --out tests/clips/street
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tools.scenery.refusal import Refused


def sprites_command(args: argparse.Namespace) -> int:
    """Cut-outs, `--count` groups in all; a second run fills up."""
    from tools.scenery import sprites
    from tools.scenery.blender import Studio
    from tools.scenery.produce import Production

    heights = sprites.checked_heights(args.heights)
    studio = Studio(samples=args.samples or 4, threads=args.threads)

    def make(number: int) -> dict[str, object]:
        """Render and save every view of one sprite."""
        views = []
        made = sprites.render(
            args.seed, number, group=args.group, size=args.size, studio=studio, heights=heights
        )
        for view, (name, sprite) in enumerate(made):
            stem = f"{args.group or 'mix'}_{args.seed}_{number:05d}_{view}"
            sprites.save(sprite, args.out, stem, name)
            views.append(stem)
        return {"sprites": views}

    Production(args.out, what="sprite groups", series=f"{args.group}-{args.seed}").run(
        args.count, make
    )
    return 0


def pictures_command(args: argparse.Namespace) -> int:
    """Labelled pictures of streets, some cameras for each scene."""
    from tools.scenery import pictures
    from tools.scenery.blender import Studio
    from tools.scenery.produce import Production

    studio = Studio(samples=args.samples or 4, threads=args.threads)

    def make(number: int) -> dict[str, object]:
        return pictures.make(
            args.seed, number, args.out, studio, name=args.situation, views=args.views
        )

    Production(args.out, what="scenes", series=f"{args.situation}-{args.seed}").run(
        args.count, make
    )
    return 0


def composites_command(args: argparse.Namespace) -> int:
    """Plumes and cut-outs on real photographs; needs no Blender."""
    from tools.scenery import photographs, recipes
    from tools.scenery.produce import Production

    photos, shelf = photographs.listed(args.photos), recipes.Shelf(args.sprites)

    def make(number: int) -> dict[str, object]:
        """Compose one scene."""
        return recipes.compose(
            args.seed,
            number,
            photos,
            shelf,
            args.out,
            effects=tuple(args.effects.split(",")) if args.effects else (),
        )

    Production(args.out, what="composites", series=f"{args.effects}-{args.seed}").run(
        args.count, make
    )
    return 0


def clip_command(args: argparse.Namespace) -> int:
    """Renders one clip, or what is missing of it."""
    from tools.scenery import clip_films

    return clip_films.film(
        args.name, args.work / args.name, args.out, samples=args.samples or 4, threads=args.threads
    )


def parser() -> argparse.ArgumentParser:
    """One sub-command for each thing that is made; `--seed` makes it the same again."""
    top = argparse.ArgumentParser(
        prog="tools/scenes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--out", type=Path, required=True, help="folder; made, or filled further")
    common.add_argument("--seed", type=int, default=1, help="same seed, same truth (default 1)")
    common.add_argument("--count", type=int, default=100, help="items to have in the end")
    common.add_argument("--threads", type=int, default=2, help="render threads (default 2)")
    common.add_argument("--samples", type=int, default=0, help="light paths per pixel")
    sprites = commands.add_parser("sprites", parents=[common], help="cut-outs to paste on photos")
    sprites.add_argument("--group", default="", help="only this group (default: a mix)")
    sprites.add_argument(
        "--size", type=int, default=320, help="pixels a side of the view (default 320)"
    )
    sprites.add_argument(
        "--heights", default="", help="only seen from eye, pole, drone, nadir, e.g. drone,nadir"
    )
    sprites.set_defaults(run=sprites_command)
    pictures = commands.add_parser(
        "pictures", parents=[common], help="labelled pictures of streets"
    )
    pictures.add_argument("--situation", default="", help="only this one (default: a mix)")
    pictures.add_argument("--views", type=int, default=4, help="cameras per scene (default 4)")
    pictures.set_defaults(run=pictures_command)
    composites = commands.add_parser(
        "composites", parents=[common], help="plumes and sprites on real photographs"
    )
    composites.add_argument(
        "--photos",
        type=Path,
        required=True,
        help="training split: a folder with images/ and labels/",
    )
    composites.add_argument("--effects", default="", help="only these, e.g. dust,smoke,fire")
    composites.add_argument("--sprites", type=Path, help="what `tools/scenes sprites` made")
    composites.set_defaults(run=composites_command)
    clip = commands.add_parser("clip", parents=[common], help="a demo or regression clip")
    clip.add_argument(
        "name",
        help="street, flyover, flyback, a case of tools.scenery.clip_cases, reel or a part of it",
    )
    clip.add_argument(
        "--work",
        type=Path,
        default=Path("out/clips"),
        help="rendered frames; a killed run goes on from them (default out/clips)",
    )
    clip.set_defaults(run=clip_command)
    return top


def main() -> int:
    """Exit code of the sub-command; 2 for what cannot be made, 130 after Ctrl-C."""
    args = parser().parse_args()
    try:
        return int(args.run(args))
    except Refused as refused:
        print(f"tools/scenes: {refused}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
