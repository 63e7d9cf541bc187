"""A lineage as a tree, as a flowchart and as a picture."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

from duetto.drawing import lineage_mermaid, lineage_svg, lineage_text
from duetto.drawing.lineage_svg import arranged
from duetto.model.view import LineageNode, LineageView

PLACED = LineageNode("app/Placed/1:1", "event", "Placed", 1_000, key="a")
HELD = LineageNode("app/Held/1:1", "event", "Held", 1_012, key="a", by="inventory.hold")
RUN = LineageNode("run-1", "run", "settle", 1_020, note="completed")
STUCK = LineageNode("mail.tell 4", "held", "mail.tell", 1_030, note='dead letter: "no <line>"')
OLD = LineageNode("app/Asked/1:1", "gone", "Asked", 0)

VIEW = LineageView(
    "app/Held/1:1",
    (OLD, PLACED, HELD, RUN, STUCK),
    (
        (OLD.name, HELD.name),
        (PLACED.name, HELD.name),
        (HELD.name, RUN.name),
        (HELD.name, STUCK.name),
    ),
)

TEXT = """\
Asked  app/Asked/1:1  purged
└─ Held  app/Held/1:1  key a  by inventory.hold  +12 ms  ←
   ├─ run of settle  run-1  completed  +20 ms
   └─ mail.tell  dead letter: "no <line>"  +30 ms
Placed  app/Placed/1:1  key a
└─ Held  app/Held/1:1  (see above)
"""

MERMAID = """\
flowchart LR
  n0(["Asked · purged"])
  n1["Placed · key a"]
  n2["Held · key a · by inventory.hold · +12 ms"]
  n3[["run of settle · completed · +20 ms"]]
  n4{{"mail.tell · dead letter: #34;no #60;line#62;#34; · +30 ms"}}
  n0 --> n2
  n1 --> n2
  n2 --> n3
  n2 --> n4
  style n2 stroke-width:3px
"""


def test_as_a_tree() -> None:
    assert lineage_text(VIEW) == TEXT


def test_as_a_flowchart() -> None:
    assert lineage_mermaid(VIEW) == MERMAID


def test_a_circle_has_a_beginning_and_an_end() -> None:
    circle = LineageView(
        "run-1", (HELD, RUN), ((HELD.name, RUN.name), (RUN.name, HELD.name)), whole=False
    )
    assert lineage_text(circle).splitlines() == [
        "Held  app/Held/1:1  key a  by inventory.hold",
        "└─ run of settle  run-1  completed  +8 ms  ←",
        "   └─ Held  app/Held/1:1  (see above)",
        "… and more",
    ]
    assert "way also" in lineage_svg(circle)


def test_a_long_chain_is_no_deep_recursion() -> None:
    nodes = tuple(LineageNode(f"app/T/1:{at}", "event", "T", at) for at in range(1, 3_000))
    edges = tuple((one.name, two.name) for one, two in pairwise(nodes))
    assert len(lineage_text(LineageView(nodes[0].name, nodes, edges)).splitlines()) == len(nodes)


def test_the_picture_has_a_box_for_each_and_none_over_another() -> None:
    drawn = ElementTree.fromstring(lineage_svg(VIEW))
    titles = [found.text for found in drawn.iter("{http://www.w3.org/2000/svg}title")]
    assert titles[1:] == [OLD.name, HELD.name, RUN.name, STUCK.name, PLACED.name]
    placed = arranged(VIEW)
    rows = [placed[name].box.y for name in titles[1:] if name]
    assert rows == sorted(set(rows))
    assert placed[OLD.name].box.x < placed[HELD.name].box.x < placed[RUN.name].box.x
    assert placed[RUN.name].box.x == placed[STUCK.name].box.x
