// Makes dist: the modules that the daemon serves too, without comments and indentation, and their types with the comments.
import { execFileSync } from "node:child_process";
import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = new URL(".", import.meta.url);
const dist = new URL("dist/", here);
const tsc = (...options) =>
  execFileSync("tsc", ["-p", "tsconfig.json", ...options], { cwd: fileURLToPath(here), stdio: "inherit" });

rmSync(dist, { recursive: true, force: true });
tsc("--removeComments");
tsc("--declaration", "--emitDeclarationOnly");
for (const name of readdirSync(dist).filter((file) => file.endsWith(".js"))) {
  const file = new URL(name, dist);
  writeFileSync(file, readFileSync(file, "utf8").replace(/^ +/gm, "")); // No template in them has lines of its own.
}
copyFileSync(new URL("../../LICENSE", here), new URL("LICENSE", here));
