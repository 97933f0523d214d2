"""One script made of modules does what they do."""

import subprocess
from pathlib import Path

import pytest

from signald.web.bundle import bundle
from tests.support.node import program

MODULES = {
    "main.js": """/** The entry. */
import { Counter as Real, start } from "./counter.js";
import * as words from "./words.js";
import { hello, HELLO, NAME, one, whole } from "./more/hub.js";

const NAME_OF_MAIN = "main"; // A comment, which goes.
class Counter extends Real {
  /** @param {number} by */
  add(by) {
    return super.add(by * 2);
  }
}
const counter = new Counter(/** @type {number} */ (start()));
counter.add(1);
console.log(NAME_OF_MAIN, counter.total, words.NAME, words.greet("you"), hello("all"), HELLO, NAME, one, whole);
""",
    "counter.js": """/**
 * Counts.
 *
 * @module counter
 */

import {
  NAME,
  greet,
} from "./words.js";

const hidden = 40;
export class Counter {
  #total;
  constructor(/** @type {number} */ from) {
    this.#total = from;
  }
  get total() {
    return `${NAME} ${this.#total} http://x/* no comment`;
  }
  add(by) {
    this.#total += by;
    return greet(NAME);
  }
}
export async function start_later() {}
export function start() {
  return hidden;
}
""",
    "words.js": """export const NAME = "words";
const hidden = "hello, ";
export function greet(name) {
  return hidden + name;
}
""",
    "more/hub.js": """export * from "../words.js";
export { greet as hello } from "../words.js";
const HELLO = "HELLO", inside = 1;
export { HELLO, inside as one };
export const whole = true;
""",
}


def nowhere(path: str) -> str:
    """Where no module is."""
    raise AssertionError(path)


def test_runs_as_the_modules_do(tmp_path: Path) -> None:
    """The page would be broken by a name that two modules have, or by an export that is not where it was."""
    (tmp_path / "more").mkdir()
    for name, text in MODULES.items():
        (tmp_path / name).write_text(text)
    made = bundle(MODULES, "main.js", nowhere)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "made.js").write_text(made)
    node = program("node")
    said = [subprocess.run([node, tmp_path / name], capture_output=True, text=True) for name in ("main.js", "made.js")]
    assert said[0].stdout == "main words 42 http://x/* no comment words hello, you hello, all HELLO words 1 true\n"
    assert said[1].stdout == said[0].stdout, said[1].stderr
    assert "Counts" not in made
    assert "which goes" not in made


def test_what_comes_later(tmp_path: Path) -> None:
    """A part that is loaded when it is needed would be asked for where it is not, or give nothing."""
    sources = {
        "main.js": """const { start, NAME: name, whole } = await import("./later.js");
console.log(start(), name, whole);
""",
        "later.js": """export { NAME } from "./words.js";
import { Counter } from "./counter.js";
export function start() {
  return new Counter(1).total;
}
const whole = "whole";
export { whole };
""",
        **{name: MODULES[name] for name in ("words.js", "counter.js")},
    }
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "hashed.js").write_text(bundle(sources, "later.js", nowhere))
    (tmp_path / "made.js").write_text(bundle(sources, "main.js", {"later.js": "./hashed.js"}.__getitem__))
    ran = subprocess.run([program("node"), tmp_path / "made.js"], capture_output=True, text=True)
    assert ran.stdout == "words 1 http://x/* no comment words whole\n", ran.stderr


@pytest.mark.parametrize(
    "line",
    [
        'import view from "./words.js";',
        'import "./words.js";',
        'import { NAME } from "elsewhere";',
        'const later = import("words");',
        'export * from "./words.js";',
        "const here = import.meta.url;",
        "export default 3;",
        "export let changing = 1;",
        'export * as words from "./words.js";',
    ],
)
def test_what_it_does_not_understand_it_says(line: str) -> None:
    """Somebody would write what is right in a module, and the page of the next release would not start."""
    with pytest.raises(ValueError, match=r"main\.js: not understood: "):
        bundle({"main.js": f"{line}\n", "words.js": ""}, "main.js", nowhere)


def test_missing_and_in_a_circle() -> None:
    """The daemon would not start, and nobody would know which module is at fault."""
    with pytest.raises(ValueError, match=r"a\.js: there is no b\.js"):
        bundle({"a.js": 'import { x } from "./b.js";\n'}, "a.js", nowhere)
    circle = {"a.js": 'import { x } from "./b.js";\n', "b.js": 'import { y } from "./a.js";\n'}
    with pytest.raises(ValueError, match=r"a\.js needs b\.js needs a\.js"):
        bundle(circle, "a.js", nowhere)
