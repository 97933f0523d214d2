"""How long a browser works for a challenge, at the full speed of a core and on a phone.

``python -m bench.experiments.phone --slower 6``: Chromium searches all numbers, so twice as many as on average, with
the modules of the demo page. Chromium slows down a page's main thread only, so the search runs there; a worker of the
same core needs as long. `pieces` is the way of a page that has no worker, which goes on to answer its user meanwhile.
The best of five, since whatever else runs on the machine makes it only longer.
"""

import argparse
import json
import shutil

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from signald.core.toll import NUMBERS, NUMBERS_AT_MOST
from tests.support.daemon import DaemonProcess

SEARCH = """
const [how, most, done] = arguments;
const asked = { algorithm: "SHA-256", challenge: "0".repeat(64), maxnumber: most, signature: "s",
  salt: "5eed0123456789abcdef0123?expires=1900000120&client=W_UjnOkk-AkNIRGy&turn=1&" };
import("/static/work.js").then(async ({ search, inPieces, solve }) => {
  const began = performance.now();
  if (how === "whole") search(asked.salt, asked.challenge, most)(Infinity);
  else await { pieces: inPieces, worker: solve }[how](asked);
  done(performance.now() - began);
});
"""


def main() -> None:
    """Measure each way, five times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slower", type=float, default=6.0, help="how many times slower a phone is")
    chosen = parser.parse_args()
    options = ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu"):
        options.add_argument(flag)
    with DaemonProcess() as daemon, Chrome(options=options, service=Service(shutil.which("chromedriver"))) as browser:
        browser.set_script_timeout(120)
        browser.get(f"http://127.0.0.1:{daemon.port}/")
        for slower, how, numbers in (
            (1.0, "whole", NUMBERS_AT_MOST),
            (1.0, "worker", NUMBERS_AT_MOST),
            (chosen.slower, "whole", NUMBERS_AT_MOST),
            (chosen.slower, "pieces", NUMBERS_AT_MOST),
        ):
            browser.execute_cdp_cmd("Emulation.setCPUThrottlingRate", {"rate": slower})
            browser.execute_async_script(SEARCH, how, NUMBERS)  # it takes a moment until a page is slow
            best = min(browser.execute_async_script(SEARCH, how, numbers) for _ in range(5))
            figures = {"all_ms": round(best), "average_ms": round(best / 2), "per_s": round(1000 * numbers / best)}
            print(json.dumps({"slower": slower, "how": how, "numbers": numbers, **figures}), flush=True)


if __name__ == "__main__":
    main()
