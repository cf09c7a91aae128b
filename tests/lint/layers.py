# SPDX-License-Identifier: GPL-3.0-or-later
"""Every include obeys p2v/doc/LAYERS: rooms include only rooms that they may, and each outside
library is included by the one room that owns it (or the rooms, where several rows name it)."""
import house

all_rooms = house.rooms()
owners = {h: [room for room in all_rooms.values() if h in room.headers]
          for room in all_rooms.values() for h in room.headers}
bad = []

for path in house.files(".c", ".h"):
    room = house.room_of(path, all_rooms)
    if path.startswith("tests/"):
        continue
    if not room:
        bad.append(f"{path}: lies in no room of p2v/doc/LAYERS")
        continue
    for kind, name in house.INCLUDE.findall(house.read(path)):
        if kind == '"':
            other = house.room_of(name, all_rooms)
            if not other:
                bad.append(f'{path}: "{name}" does not name its room')
            elif other is not room and other.name not in room.may:
                bad.append(f"{path}: {room.name} may not include {other.name} ({name})")
        for header, homes in owners.items():
            if (name == header or (header.endswith("/") and name.startswith(header))) and room not in homes:
                bad.append(f"{path}: <{name}> belongs to the room {homes[0].name}")

# Two walls that the rows alone do not draw.
for path in house.files(".c", ".h"):
    text = house.read(path)
    if path.startswith("converters/inspect/") and "p2v/guest/write.h" in text:
        bad.append(f"{path}: inspect does not write")

house.report("layers", bad)
