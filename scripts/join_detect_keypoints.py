#!/usr/bin/env python3
"""Whole pictures with joints, for measuring from a detector's boxes to keypoints (docs/EVALUATION.md, "End to end").

One set has whole pictures with a box for everybody (DATA/detect), the other has crops of single persons with their
joints (DATA/people_coco); `orig` names the picture that both come from. This finds the place of every crop in its
picture and writes the joints there, as an annotation file in COCO's keypoint layout over the pictures of
DATA/detect/val.

A crop is its person's box, padded to 3:4 and enlarged around its centre. So a box of the picture and the person's box
in the crop give a first guess of scale and place; the pixels decide which box it is (the largest normalised
correlation, each box and each crop used once) and refine scale and place, beginning from where the box has put them.
Joints of the crop are the truth, boxes of the picture stay as they are. Areas are scaled with the joints. Boxes without
a crop have no labelled joints (COCO's own file has none for them either): they are written with `num_keypoints` 0, and
crowd regions stay crowd regions; the evaluation ignores both as COCO does.

usage: join_detect_keypoints.py DATA OUT.json [--split val] [--draw FOLDER]
  DATA    the folder that holds detect/ and people_coco/
  --draw  also writes some of the pictures with boxes and joints into FOLDER, to be looked at
Then `tmpose eval --data OUT.json --detector FILE`. Where OUT.json does not lie in DATA/detect/annotations, it names its
pictures with their whole path.
needs: numpy, pillow
"""

import argparse
import json
import math
import sys
from collections import defaultdict
from pathlib import Path

try:
    import numpy as np
    from PIL import Image, ImageDraw
except ImportError as missing:
    sys.exit(f"{missing}: install it with `pip install numpy pillow`")

# A crop is compared at this many pixels of height at most.
TALLEST = 128
# Under this correlation a crop counts as not found.
SURE = 0.6
# Refinement: steps in parts of the crop's height (place) and of the scale, coarse to fine.
STEPS = [0.04, 0.02, 0.01, 0.005, 0.0025]
# A person's area as a part of its box where only the box is known, as in the crops.
AREA_OF_BOX = 0.53


class Refused(Exception):
    """One sentence for the user."""


def read(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as why:
        raise Refused(f"cannot read {path}: {why.strerror}; DATA must hold detect/ and people_coco/") from why
    except ValueError as why:
        raise Refused(f"{path} is no JSON file: {why}") from why


def grey(path):
    try:
        return Image.open(path).convert("F")
    except OSError as why:
        raise Refused(f"cannot read the picture {path}: {why}") from why


def guess(in_crop, in_picture):
    """(scale, x, y): a crop's point (u, v) lies at (x + u * scale, y + v * scale) of the picture."""
    u, v, cw, ch = in_crop
    x, y, w, h = in_picture
    # The longer side is the better known one: boxes are written to a tenth of a pixel.
    scale = w / cw if w >= h else h / ch
    return scale, x + w / 2 - (u + cw / 2) * scale, y + h / 2 - (v + ch / 2) * scale


class Compare:
    """Correlation of a crop with places of a picture, at the coarser resolution of the two."""

    def __init__(self, crop, picture, scale):
        width, height = crop.size
        shrink = min(1.0, scale, TALLEST / height)
        self.size = [max(8, round(width * shrink)), max(8, round(height * shrink))]
        self.crop, self.whole = crop.size, picture.size
        self.shown = np.asarray(crop.resize(self.size, Image.BILINEAR))
        # Room around the picture: crops reach over its edge, and there they are black.
        self.margin = [math.ceil(1.2 * side * max(scale, 0.05)) for side in (width, height)]
        self.padded = Image.new("F", [p + 2 * m for p, m in zip(picture.size, self.margin)])
        self.padded.paste(picture, tuple(self.margin))

    def at(self, place):
        """-1 to 1; -1 where the place is out of reach."""
        scale, x, y = place
        box = [x, y, x + self.crop[0] * scale, y + self.crop[1] * scale]
        room = [b + m for b, m in zip(box, self.margin * 2)]
        if room[0] < 0 or room[1] < 0 or room[2] > self.padded.width or room[3] > self.padded.height:
            return -1.0
        seen = np.asarray(self.padded.resize(self.size, Image.BILINEAR, box=room))
        # Only pixels inside the picture: that black lies on black says nothing.
        inside = []
        for axis in (0, 1):
            centres = box[axis] + (np.arange(self.size[axis]) + 0.5) * (box[axis + 2] - box[axis]) / self.size[axis]
            inside.append((centres > 0) & (centres < self.whole[axis]))
        both = inside[1][:, None] & inside[0][None, :]
        if both.sum() < 32:
            return -1.0
        a, b = self.shown[both] - self.shown[both].mean(), seen[both] - seen[both].mean()
        return float((a * b).sum() / max(math.sqrt((a * a).sum() * (b * b).sum()), 1e-9))

    def refine(self, place):
        """Climbs to the best place near `place`; the correlation there, and the place."""
        best, score = place, self.at(place)
        for step in STEPS:
            moved = True
            while moved:
                moved = False
                scale, x, y = best
                width, height = (side * scale for side in self.crop)
                far = step * height
                # A change of scale keeps the crop's centre.
                grown = [(scale * (1 + s), x - width * s / 2, y - height * s / 2) for s in (step, -step)]
                near = [(scale, x + far, y), (scale, x - far, y), (scale, x, y + far), (scale, x, y - far)]
                for other in near + grown:
                    found = self.at(other)
                    if found > score + 1e-5:
                        best, score, moved = other, found, True
        return score, best


def join_picture(picture, boxes, crops):
    """Which box each crop belongs to: {index of the box: (crop's index, correlation, place, first guess)}."""
    pairs = []
    for c, (crop, in_crop) in enumerate(crops):
        for b, box in enumerate(boxes):
            first = guess(in_crop, box["bbox"])
            shapes = (in_crop[2] * first[0] / box["bbox"][2], in_crop[3] * first[0] / box["bbox"][3])
            # Clipping and rounding change a box's shape a little, never to another one.
            if max(shapes) > 1.4 or min(shapes) < 0.7:
                continue
            pairs.append((Compare(crop, picture, first[0]), c, b, first))
    ranked = sorted(((compare.at(first), c, b, compare, first) for compare, c, b, first in pairs),
                    key=lambda pair: -pair[0])
    joined, used = {}, set()
    for _, c, b, compare, first in ranked:
        if c in used or b in joined:
            continue
        score, place = compare.refine(first)
        if score >= SURE:
            joined[b] = (c, score, place, first)
            used.add(c)
    return joined


def move(keypoints, place):
    scale, x, y = place
    out = []
    for u, v, seen in zip(keypoints[0::3], keypoints[1::3], keypoints[2::3]):
        out += [round(x + u * scale, 2), round(y + v * scale, 2), seen] if seen > 0 else [0, 0, 0]
    return out


def spread(values):
    """Percentiles 50, 90, 99 and the largest."""
    return " ".join(f"{v:.3f}" for v in [*np.percentile(values, [50, 90, 99]), max(values)])


def draw(folder, path, annotations, skeleton):
    img = Image.open(path).convert("RGB")
    img = img.resize((img.width * 3, img.height * 3), Image.BICUBIC)
    pen = ImageDraw.Draw(img)
    for a in annotations:
        x, y, w, h = (3 * v for v in a["bbox"])
        color = "red" if a["iscrowd"] else "lime" if a["num_keypoints"] else "grey"
        pen.rectangle([x, y, x + w, y + h], outline=color)
        k = [tuple(3 * v for v in a["keypoints"][i:i + 2]) + (a["keypoints"][i + 2],) for i in range(0, 51, 3)]
        for i, j in skeleton:
            if k[i - 1][2] > 0 and k[j - 1][2] > 0:
                pen.line([*k[i - 1][:2], *k[j - 1][:2]], fill="yellow", width=2)
        for px, py, seen in k:
            if seen > 0:
                pen.ellipse([px - 3, py - 3, px + 3, py + 3], fill="cyan")
    img.save(folder / f"{path.stem}.png")


def join(args):
    detect = read(args.data / f"detect/annotations/instances_{args.split}.json")
    poses = read(args.data / f"people_coco/annotations/person_keypoints_{args.split}.json")
    joints_of = {a["image_id"]: a for a in poses["annotations"]}
    crops_of, boxes_of = defaultdict(list), defaultdict(list)
    for image in poses["images"]:
        crops_of[image["orig"]].append(image)
    for box in detect["annotations"]:
        boxes_of[box["image_id"]].append(box)

    out, lost = [], []
    scores, shifts, scales, offs = [], [], [], []
    all_crops, pictures_with = 0, 0
    for image in detect["images"]:
        boxes, crops = boxes_of[image["id"]], crops_of.get(image["orig"], [])
        persons = [b for b in boxes if not b["iscrowd"]]
        joined = {}
        if crops:
            pictures_with += 1
            all_crops += len(crops)
            # Sets of either layout: pictures in images/SPLIT or in images.
            folders = [args.data / "people_coco/images" / args.split, args.data / "people_coco/images"]
            shown = []
            for crop in crops:
                path = next((f / crop["file_name"] for f in folders if (f / crop["file_name"]).is_file()), None)
                if path is None:
                    raise Refused(f"{folders[0] / crop['file_name']} is missing: is people_coco complete?")
                shown.append((grey(path), joints_of[crop["id"]]["bbox"]))
            picture = grey(args.data / "detect/images" / image["file_name"])
            joined = join_picture(picture, persons, shown)
            found = {c for c, *_ in joined.values()}
            lost += [crop["file_name"] for c, crop in enumerate(crops) if c not in found]
        for index, box in enumerate(persons):
            entry = {"id": box["id"], "image_id": image["id"], "category_id": 1, "iscrowd": 0, "bbox": box["bbox"]}
            if index in joined:
                c, score, place, first = joined[index]
                person = joints_of[crops[c]["id"]]
                keypoints = move(person["keypoints"], place)
                area = person["area"] * place[0] ** 2
                entry["area_true"] = person.get("area_true", 0)
                # How far refining moved the joints, and how far the two boxes stay apart.
                before = move(person["keypoints"], first)
                moved = [math.dist(keypoints[i:i + 2], before[i:i + 2]) for i in range(0, len(keypoints), 3)
                         if keypoints[i + 2] > 0]
                corner = [place[1] + person["bbox"][0] * place[0], place[2] + person["bbox"][1] * place[0]]
                size = [side * place[0] for side in person["bbox"][2:]]
                ends = [corner[i] + size[i] for i in (0, 1)]
                there = box["bbox"]
                off = [abs(corner[0] - there[0]), abs(corner[1] - there[1]),
                       abs(ends[0] - there[0] - there[2]), abs(ends[1] - there[1] - there[3])]
                scores.append(score)
                shifts.append(max(moved, default=0.0))
                scales.append(abs(place[0] / first[0] - 1))
                offs.append(max(off))
            else:
                keypoints, area = [0] * 51, AREA_OF_BOX * box["bbox"][2] * box["bbox"][3]
            labelled = sum(1 for v in keypoints[2::3] if v > 0)
            out.append(entry | {"area": round(area, 1), "num_keypoints": labelled, "keypoints": keypoints})
        for box in boxes:
            if box["iscrowd"]:
                out.append({"id": box["id"], "image_id": image["id"], "category_id": 1, "iscrowd": 1,
                            "bbox": box["bbox"], "area": box["area"], "num_keypoints": 0, "keypoints": [0] * 51})

    # Pictures are looked for from the annotation file's own place.
    home = args.data / "detect"
    at_home = args.out.resolve().parent == (home / "annotations").resolve()
    images = [image if at_home else image | {"file_name": str((home / "images" / image["file_name"]).resolve())}
              for image in detect["images"]]
    info = {"description": f"detect/{args.split} with the joints of people_coco/{args.split}",
            "made_by": "scripts/join_detect_keypoints.py"}
    result = {"info": info, "licenses": [], "images": images, "annotations": out,
              "categories": poses["categories"]}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result), encoding="utf-8")

    with_joints = sum(1 for a in out if a["num_keypoints"] > 0)
    crowds = sum(1 for a in out if a["iscrowd"])
    print(f"{args.out}: {len(detect['images'])} pictures, {with_joints} persons with joints, "
          f"{len(out) - with_joints - crowds} without, {crowds} crowd regions")
    print(f"{len(scores)} of {all_crops} crops in {pictures_with} pictures found"
          + (f"; not found: {', '.join(lost)}" if lost else ""))
    if scores:
        worst = np.percentile(scores, [50, 10, 1]).tolist() + [min(scores)]
        print(f"  correlation, percentiles 50 10 1 and smallest:             {' '.join(f'{v:.3f}' for v in worst)}")
        print("  the other numbers are percentiles 50 90 99 and the largest:")
        print(f"  joints moved by refining, pixels of the picture:           {spread(shifts)}")
        print(f"  scale changed by refining, parts of 1:                     {spread(scales)}")
        print(f"  edges of the crop's box from the picture's box, pixels:    {spread(offs)}")
    if args.draw:
        args.draw.mkdir(parents=True, exist_ok=True)
        busy = [i for i in detect["images"] if any(a["num_keypoints"] for a in out if a["image_id"] == i["id"])]
        for image in busy[::max(1, len(busy) // 24)]:
            mine = [a for a in out if a["image_id"] == image["id"]]
            draw(args.draw, args.data / "detect/images" / image["file_name"], mine, poses["categories"][0]["skeleton"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("out", type=Path, metavar="OUT.json")
    parser.add_argument("--split", default="val")
    parser.add_argument("--draw", type=Path, metavar="FOLDER")
    try:
        join(parser.parse_args())
    except Refused as why:
        sys.exit(f"error: {why}")


if __name__ == "__main__":
    main()
