# SPDX-License-Identifier: AGPL-3.0-or-later
"""tools/dataset: import, check, split, merge, remap, describe and export sets of labelled pictures.

Nothing is skipped in silence: what is wrong is listed, one line each, and `check` fails on it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path

from edge.config import ConfigError, read_yaml
from tools.training import checking, foreign, indexed, shaping, stats
from tools.training.classes import CITY
from tools.training.clipframes import harvest, read_table
from tools.training.collection import SPLITS, Collection, read_collection, write_collection
from tools.training.importing import (
    Incoming,
    Rules,
    pictures,
    read_rules,
    read_yolo,
    store,
    thinned,
)
from tools.training.packing import pack
from tools.training.raw_yolo import Onnx
from tools.training.settings import at_least_one

EXAMPLE = """examples:
  tools/dataset import yolo ../shared/data/pack/train ../shared/data/pack/val \\
      --rules tools/training/pack.yaml --out datasets/pack
  tools/dataset teach datasets/pack --teacher ../shared/data/weights/yolo11n_coco_deq.onnx
  tools/dataset import --from-box /var/lib/edge --rules tools/training/box.yaml --out datasets/box
  tools/dataset check datasets/pack
  tools/dataset split datasets/box --val 0.2
  tools/dataset merge datasets/pack datasets/box --out datasets/all
  tools/dataset stats datasets/all --sheet out/sheet.jpg
  tools/dataset export datasets/all --out out/yolo
  tools/dataset pack datasets --out out/datasets.tar      # 60 MiB for a machine with a GPU
"""


def import_command(args: argparse.Namespace) -> int:
    """0, or 1 with --strict and complaints; what cannot be taken is listed, never dropped
    silently."""
    rules = read_rules(args.rules) if args.rules else Rules(names=CITY)
    names = _target_names(args.names)
    form, args.folders = _what(args)
    entries = IMPORT[form](args, rules)
    if args.few is not None:
        entries = thinned(entries, lambda one: _kind_of(one, rules), args.few)
        args.total = len(entries)
    collection, complaints = store(entries, rules, names, args.out, total=args.total)
    for line in complaints:
        print(line, file=sys.stderr)
    print(f"{args.out}: {len(collection.items)} pictures, {len(complaints)} complaints")
    return 1 if complaints and args.strict else 0


def _kind_of(entry: Incoming, rules: Rules) -> tuple[str, str]:
    """(source, split) of a picture that comes in."""
    item = entry.item or rules.place(entry.path.stem, entry.split)
    return item.source, item.split


def _what(args: argparse.Namespace) -> tuple[str, list[Path]]:
    """(form, folders) of an import line."""
    if args.from_box:
        return "box", args.from_box
    form, folders = (args.source or [""])[0], [Path(word) for word in args.source[1:]]
    if form not in IMPORT or not folders:
        raise ConfigError(f"import: {form!r}: write one of {', '.join(IMPORT)}, then the folders")
    return form, folders


def _target_names(path: Path | None) -> tuple[str, ...]:
    if path is None:
        return CITY
    try:
        return tuple(read_yaml(path)["names"])
    except (KeyError, TypeError) as error:
        raise ConfigError(f"{path}: has no list `names` ({error!r})") from None


def _split_of(folder: Path, asked: str | None) -> str:
    """What was asked for, else the folder's own name where that is a split."""
    if asked:
        return asked
    return folder.name if folder.name in SPLITS else "train"


def _yolo(args: argparse.Namespace, rules: Rules) -> Sequence[Incoming]:
    args.total = sum(len(pictures(folder / "images")) for folder in args.folders)
    return chain.from_iterable(  # type: ignore[return-value]
        read_yolo(folder, rules.names, _split_of(folder, args.split)) for folder in args.folders
    )


def _coco(args: argparse.Namespace, _: Rules) -> Sequence[Incoming]:
    if args.images is None:
        raise ConfigError("import coco: --images FOLDER says where the pictures are")
    found = [
        entry
        for path in args.folders
        for entry in foreign.read_coco(path, args.images, _split_of(path.parent, args.split))
    ]
    args.total = len(found)
    return found


def _voc(args: argparse.Namespace, _: Rules) -> Sequence[Incoming]:
    found = [
        entry
        for folder in args.folders
        for entry in foreign.read_voc(folder, args.images or folder, _split_of(folder, args.split))
    ]
    args.total = len(found)
    return found


def _box(args: argparse.Namespace, _: Rules) -> Sequence[Incoming]:
    found = [
        replace(entry, split=args.split or "train")
        for state in args.folders
        for entry in foreign.read_box(state, unjudged=args.unjudged)
    ]
    args.total = len(found)
    return found


def _indexed(args: argparse.Namespace, rules: Rules) -> Sequence[Incoming]:
    found = indexed.read_indexed(args.folders, rules, _target_names(args.names))
    args.total = len(found)
    return found


IMPORT: dict[str, Callable[[argparse.Namespace, Rules], Sequence[Incoming]]] = {
    "yolo": _yolo,
    "coco": _coco,
    "voc": _voc,
    "box": _box,
    "indexed": _indexed,
}


def teach_command(args: argparse.Namespace) -> int:
    """Add a COCO detector's sure boxes to a set, in place."""
    from tools.training.pseudo import pseudo_label

    if not args.teacher.is_file():
        raise ConfigError(f"{args.teacher}: no such model")
    done = pseudo_label(read_collection(args.set), args.teacher)
    print(f"{args.set}: COCO classes added to {len(done.items)} pictures")
    return 0


def clips_command(args: argparse.Namespace) -> int:
    """Frames of clips without a violation that fool a model most, as hard negatives."""
    made = harvest(args.folder, read_table(args.table), Onnx(args.model), args.out, args.few)
    print(f"{args.out}: {len(made.items)} frames")
    return 0


def pack_command(args: argparse.Namespace) -> int:
    """What is trained on of all sets of a folder, in one file for another machine."""
    done = pack(args.folder, args.out, most_mib=args.most)
    print(
        f"{args.out}: {done.pictures} pictures, {done.side} px at quality {done.quality}, "
        f"{done.size / (1 << 20):.1f} MiB"
    )
    return 0


def check_command(args: argparse.Namespace) -> int:
    """List every fault; 1 where one would make training or its figures wrong."""
    faults = checking.check(read_collection(args.set))
    for fault in faults:
        if args.json:
            print(json.dumps({**asdict(fault), "fatal": fault.fatal}, ensure_ascii=False))
        else:
            print(f"{fault.kind}: {fault.where}: {fault.detail}")
    print(f"{args.set}: {checking.summary(faults)}", file=sys.stderr if args.json else sys.stdout)
    return 1 if any(fault.fatal for fault in faults) else 0


def split_command(args: argparse.Namespace) -> int:
    """Splits a set by source group, in place, and says how."""
    collection = read_collection(args.set)
    done = shaping.split(collection, val=args.val, test=args.test, seed=args.seed)
    write_collection(done)
    _say_splits(done)
    return 0


def _say_splits(collection: Collection) -> None:
    counts = {name: len(collection.of(name).items) for name in SPLITS}
    print(f"{collection.root}: " + ", ".join(f"{count} {name}" for name, count in counts.items()))


def merge_command(args: argparse.Namespace) -> int:
    merged = shaping.merge([read_collection(folder) for folder in args.sets], args.out)
    _say_splits(merged)
    return 0


def remap_command(args: argparse.Namespace) -> int:
    """Rewrites a set's labels to other classes, in place."""
    rename = dict(_pair(text) for text in args.rename)
    names = _target_names(args.names)
    shaping.remap(read_collection(args.set), names, rename, frozenset(args.drop))
    print(f"{args.set}: classes are now {', '.join(names)}")
    return 0


def _pair(text: str) -> tuple[str, str]:
    old, arrow, new = text.partition("=")
    if not (old and arrow and new):
        raise ConfigError(f"--rename {text!r}: write OLD=NEW")
    return old, new


def stats_command(args: argparse.Namespace) -> int:
    """Counts by class, source and split; with --sheet a picture of labelled examples."""
    collection = read_collection(args.set)
    print(stats.table(collection))
    if args.sheet:
        args.sheet.parent.mkdir(parents=True, exist_ok=True)
        stats.save_sheet(collection, args.sheet)
        print(f"\ncontact sheet: {args.sheet}")
    return 0


def export_command(args: argparse.Namespace) -> int:
    print(shaping.export_yolo(read_collection(args.set), args.out))
    return 0


def parser() -> argparse.ArgumentParser:
    """One sub-command for each step from foreign pictures to sets that may be trained on."""
    top = argparse.ArgumentParser(
        prog="tools/dataset",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True)
    _import_parser(commands.add_parser("import", help="foreign sets and boxes into a set of ours"))
    teach = commands.add_parser("teach", help="add COCO classes by a teacher's sure boxes")
    teach.add_argument("set", type=Path)
    teach.add_argument("--teacher", type=Path, required=True, help="COCO detector, .onnx")
    teach.set_defaults(run=teach_command)
    fooled = commands.add_parser("clips", help="hard negatives out of clips without a violation")
    fooled.add_argument("folder", type=Path)
    fooled.add_argument("--table", type=Path, required=True, help="YAML: which clips, what not")
    fooled.add_argument("--model", type=Path, required=True, help="the detector to fool, .onnx")
    fooled.add_argument("--out", type=Path, required=True)
    fooled.add_argument("--few", type=at_least_one, help="at most so many clips of each row")
    fooled.set_defaults(run=clips_command)
    away = commands.add_parser("pack", help="what is trained on, in one file for another machine")
    away.add_argument("folder", type=Path, help="with the sets and cutouts below it")
    away.add_argument("--out", type=Path, required=True, metavar="FILE.tar")
    away.add_argument("--most", type=float, default=60.0, help="MiB (60)")
    away.set_defaults(run=pack_command)
    one = commands.add_parser("check", help="list every fault; fails on those that matter")
    one.add_argument("set", type=Path)
    one.add_argument("--json", action="store_true")
    one.set_defaults(run=check_command)
    parts = commands.add_parser("split", help="whole source groups to train, val and test")
    parts.add_argument("set", type=Path)
    parts.add_argument("--val", type=float, default=0.15)
    parts.add_argument("--test", type=float, default=0.0)
    parts.add_argument("--seed", type=int, default=0)
    parts.set_defaults(run=split_command)
    _shape_parsers(commands)
    return top


def _import_parser(one: argparse.ArgumentParser) -> None:
    one.add_argument(
        "source", nargs="*", metavar="FORM FOLDER...", help=f"FORM is one of {', '.join(IMPORT)}"
    )
    one.add_argument(
        "--from-box", type=Path, action="append", metavar="STATE", help="a box's state folder"
    )
    one.add_argument("--images", type=Path, help="pictures of a COCO or VOC set")
    one.add_argument("--rules", type=Path, help="YAML: names, drop, rename, sources")
    one.add_argument(
        "--names", type=Path, help="YAML with the target classes (default: the city's)"
    )
    one.add_argument("--split", choices=SPLITS, help="default: the folder's name, else train")
    one.add_argument("--unjudged", action="store_true", help="box: also what nobody has judged")
    one.add_argument(
        "--few", type=at_least_one, help="at most so many pictures of a source and split"
    )
    one.add_argument("--strict", action="store_true", help="fail where anything was complained of")
    one.add_argument("--out", type=Path, required=True)
    one.set_defaults(run=import_command)


def _shape_parsers(commands: argparse._SubParsersAction) -> None:  # type: ignore[type-arg]
    merge = commands.add_parser("merge", help="several sets of the same classes into one")
    merge.add_argument("sets", type=Path, nargs="+")
    merge.add_argument("--out", type=Path, required=True)
    merge.set_defaults(run=merge_command)
    remap = commands.add_parser("remap", help="rewrite labels to other classes, in place")
    remap.add_argument("set", type=Path)
    remap.add_argument("--names", type=Path, help="YAML with the target classes")
    remap.add_argument("--rename", action="append", default=[], metavar="OLD=NEW")
    remap.add_argument("--drop", action="append", default=[], metavar="CLASS")
    remap.set_defaults(run=remap_command)
    told = commands.add_parser("stats", help="counts, sizes, sources; a contact sheet")
    told.add_argument("set", type=Path)
    told.add_argument("--sheet", type=Path, metavar="FILE.jpg")
    told.set_defaults(run=stats_command)
    out = commands.add_parser("export", help="as YOLO folders with data.yaml")
    out.add_argument("set", type=Path)
    out.add_argument("--out", type=Path, required=True)
    out.set_defaults(run=export_command)


def main(arguments: list[str] | None = None) -> int:
    """Exit code of the sub-command; 2 for a wrong file, in one line."""
    args = parser().parse_args(arguments)
    try:
        return int(args.run(args))
    except ConfigError as error:
        print(f"tools/dataset: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
