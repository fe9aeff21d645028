/* Builds the pages: `node build.mjs FOLDER`. The same source always gives the same bytes; a test compares them with those
   that are committed. */
import { build } from "esbuild";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

const here = import.meta.dirname;
const target = process.argv[2] ?? join(here, "../runtime/http/pages/built");
rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });

const result = await build({
  absWorkingDir: here,
  entryPoints: ["src/playground/playground.ts", "src/status/status.ts", "src/api/api.ts", "src/style.css", "src/icon.svg"],
  outdir: target,
  bundle: true,
  splitting: true,
  format: "esm",
  target: "es2022",
  minify: true,
  charset: "utf8",
  legalComments: "none",
  entryNames: "[name]-[hash]",
  chunkNames: "part-[hash]",
  assetNames: "[name]-[hash]",
  loader: { ".txt": "text", ".svg": "copy" },
  metafile: true,
});

/* What a page loads has its content's hash in its name: a browser may keep it for ever, and none keeps an old one. */
const built = {};
for (const [path, output] of Object.entries(result.metafile.outputs))
  if (output.entryPoint) built[basename(output.entryPoint)] = basename(path);
for (const name of readdirSync(join(here, "html"))) {
  const text = readFileSync(join(here, "html", name), "utf8");
  writeFileSync(join(target, name), text.replace(/\{\{([\w.]+)\}\}/g, (_, file) => {
    if (!built[file]) throw new Error(`html/${name}: ${file} is not built`);
    return `assets/${built[file]}`;
  }));
}

/* Whoever gets these files gets the licences of the packages in them. */
const packages = new Set(Object.keys(result.metafile.inputs)
  .map(path => path.match(/node_modules\/((?:@[^/]+\/)?[^/]+)\//)?.[1]).filter(Boolean));
const notices = [...packages].sort().map(name => {
  const folder = join(here, "node_modules", name);
  const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const file = readdirSync(folder).find(each => /^licen[cs]e/i.test(each));
  if (!file) throw new Error(`${name} has no file with its licence`);
  return `${name} ${version} (${license})\n\n${readFileSync(join(folder, file), "utf8").trim()}\n`;
});
writeFileSync(join(target, "licences.txt"), notices.join("\n----\n\n"));
