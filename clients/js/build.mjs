// Makes dist: the modules that the daemon serves too, and what is for React, as one small file for each thing that can be
// imported; and their types, with the comments.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = new URL(".", import.meta.url);
const SERVED = "../../signald/web/static/";
const OURS = "src/";
const ENTRIES = ["client.js", "chat.js", "react.js", "protocol.js"];

const path = (name) => fileURLToPath(new URL(name, here));
const run = (program, ...options) =>
  execFileSync("npm", ["exec", "--offline", "--no", "--", program, ...options], { cwd: path("."), stdio: "inherit" });

// One folder for all, so that what is packed has no trace of where it came from.
rmSync(path("build"), { recursive: true, force: true });
rmSync(path("dist"), { recursive: true, force: true });
mkdirSync(path("build"));
for (const folder of [SERVED, OURS]) {
  for (const name of readdirSync(path(folder)).filter((file) => file.endsWith(".js"))) {
    const text = readFileSync(path(folder + name), "utf8");
    writeFileSync(path(`build/${name}`), text.replaceAll(`../${SERVED}`, "./"));
  }
}
const entries = ENTRIES.map((name) => `build/${name}`);
run("tsc", "-p", "tsconfig.json");
run("esbuild", ...entries, ..."--bundle --splitting --minify --format=esm --target=es2022 --sourcemap".split(" "),
  "--external:react", "--chunk-names=shared-[hash]", "--outdir=dist", "--log-level=warning");
rmSync(path("build"), { recursive: true });
copyFileSync(path("../../LICENSE"), path("LICENSE"));
