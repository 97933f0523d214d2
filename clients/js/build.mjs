// Makes dist: of the modules that the daemon serves too, one small file for each thing that can be imported, and their types.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = new URL(".", import.meta.url);
const SERVED = "../../signald/web/static/";
const ENTRIES = ["client.js", "call.js", "protocol.js"];

const path = (name) => fileURLToPath(new URL(name, here));
const run = (program, ...options) =>
  execFileSync("npm", ["exec", "--offline", "--no", "--", program, ...options], { cwd: path("."), stdio: "inherit" });

// One folder for all, so that what is packed has no trace of where it came from.
rmSync(path("build"), { recursive: true, force: true });
rmSync(path("dist"), { recursive: true, force: true });
mkdirSync(path("build"));
for (const name of readdirSync(path(SERVED)).filter((file) => file.endsWith(".js"))) {
  copyFileSync(path(SERVED + name), path(`build/${name}`));
}
const entries = ENTRIES.map((name) => `build/${name}`);
run("tsc", "-p", "tsconfig.json");
run("esbuild", ...entries, ..."--bundle --splitting --minify --format=esm --target=es2022 --sourcemap".split(" "),
  "--external:react", "--chunk-names=shared-[hash]", "--outdir=dist", "--log-level=warning");
rmSync(path("build"), { recursive: true });
copyFileSync(path("../../LICENSE"), path("LICENSE"));
