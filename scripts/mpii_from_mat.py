#!/usr/bin/env python3
"""MPII's official annotations (mpii_human_pose_v1_u12_1.mat) in the layout of HRNet's files, which tmpose reads.

    mpii_from_mat.py mpii_human_pose_v1_u12_1.mat mpii/annot/train.json [--without mpii/annot/valid.json]

Written are the persons of the training pictures who have joints, a place and a scale; the test pictures have no
joints. MPII names no validation part: with --without, pictures of that HRNet file are left out, so that it can
measure what was trained. Needs SciPy. docs/DATA.md says why the program does not read the .mat itself.
"""

import argparse
import json

import numpy as np
from scipy.io import loadmat

JOINTS = 16


def parts(value):
    """The structs of a field that holds none, one or several."""
    return [part for part in np.ravel(value) if hasattr(part, "_fieldnames")]


def number(value):
    """The number in a field, which may be written as text; None where the field is empty."""
    values = np.ravel(value)
    return float(values[0]) if values.size and values[0] is not None and str(values[0]).strip() else None


def field(struct, name):
    return number(getattr(struct, name, None))


def person(rect, image):
    points = [point for group in parts(getattr(rect, "annopoints", None)) for point in parts(group.point)]
    place = parts(getattr(rect, "objpos", None))
    scale = field(rect, "scale")
    if not points or not place or scale is None:
        return None
    joints = [[-1.0, -1.0] for _ in range(JOINTS)]
    labelled, occluded = [0] * JOINTS, [0] * JOINTS
    for point in points:
        j = int(field(point, "id"))
        joints[j] = [field(point, "x"), field(point, "y")]
        labelled[j] = 1
        occluded[j] = int(field(point, "is_visible") == 0)
    box = [field(rect, name) for name in ("x1", "y1", "x2", "y2")]
    return {
        "image": image,
        "center": [field(place[0], "x"), field(place[0], "y")],
        "scale": scale,
        "joints": joints,
        "joints_vis": labelled,
        "joints_occluded": occluded,
        "headbox": None if None in box else box,
    }


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("mat")
    arguments.add_argument("json")
    arguments.add_argument("--without", metavar="VALID_JSON", help="leave out the pictures of this file")
    arguments = arguments.parse_args()
    held_out = set()
    if arguments.without:
        with open(arguments.without) as f:
            held_out = {entry["image"] for entry in json.load(f)}

    release = loadmat(arguments.mat, struct_as_record=False)["RELEASE"][0, 0]
    persons, left_out, unusable = [], 0, 0
    for picture, train in zip(np.ravel(release.annolist), np.ravel(release.img_train)):
        if not train:
            continue
        image = str(np.ravel(parts(picture.image)[0].name)[0])
        found = [person(rect, image) for rect in parts(picture.annorect)]
        if image in held_out:
            left_out += len(found)
            continue
        unusable += found.count(None)
        persons += [entry for entry in found if entry is not None]
    with open(arguments.json, "w") as f:
        json.dump(persons, f)
    print(f"{len(persons)} persons; {unusable} without joints, place or scale; {left_out} held out")


if __name__ == "__main__":
    main()
