/* Languages as the page knows them: name for people, main file, highlighting, and a first program. Each is loaded on demand. */
import type { StreamParser } from "@codemirror/language";
import type { Extension } from "@codemirror/state";

interface Known { title: string; file: string; highlighting?: () => Promise<Extension>; starter?: () => Promise<{ default: string }> }

const stream = async (parser: Promise<StreamParser<unknown>>): Promise<Extension> =>
  (await import("@codemirror/language")).StreamLanguage.define(await parser);
const clike = () => import("@codemirror/legacy-modes/mode/clike");

const KNOWN: Record<string, Known> = {
  bash: {
    title: "Bash", file: "main.sh", starter: () => import("../../starters/bash.txt"),
    highlighting: () => stream(import("@codemirror/legacy-modes/mode/shell").then(mode => mode.shell)),
  },
  c: {
    title: "C", file: "main.c", starter: () => import("../../starters/c.txt"),
    highlighting: async () => (await import("@codemirror/lang-cpp")).cpp(),
  },
  cpp: {
    title: "C++", file: "main.cpp", starter: () => import("../../starters/cpp.txt"),
    highlighting: async () => (await import("@codemirror/lang-cpp")).cpp(),
  },
  csharp: {
    title: "C#", file: "main.cs", starter: () => import("../../starters/csharp.txt"),
    highlighting: () => stream(clike().then(mode => mode.csharp)),
  },
  fortran: {
    title: "Fortran", file: "main.f90", starter: () => import("../../starters/fortran.txt"),
    highlighting: () => stream(import("@codemirror/legacy-modes/mode/fortran").then(mode => mode.fortran)),
  },
  go: {
    title: "Go", file: "main.go", starter: () => import("../../starters/go.txt"),
    highlighting: async () => (await import("@codemirror/lang-go")).go(),
  },
  haskell: {
    title: "Haskell", file: "main.hs", starter: () => import("../../starters/haskell.txt"),
    highlighting: () => stream(import("@codemirror/legacy-modes/mode/haskell").then(mode => mode.haskell)),
  },
  java: {
    title: "Java", file: "Main.java", starter: () => import("../../starters/java.txt"),
    highlighting: async () => (await import("@codemirror/lang-java")).java(),
  },
  javascript: {
    title: "JavaScript", file: "main.js", starter: () => import("../../starters/javascript.txt"),
    highlighting: async () => (await import("@codemirror/lang-javascript")).javascript(),
  },
  kotlin: {
    title: "Kotlin", file: "main.kt", starter: () => import("../../starters/kotlin.txt"),
    highlighting: () => stream(clike().then(mode => mode.kotlin)),
  },
  lua: {
    title: "Lua", file: "main.lua", starter: () => import("../../starters/lua.txt"),
    highlighting: () => stream(import("@codemirror/legacy-modes/mode/lua").then(mode => mode.lua)),
  },
  octave: {
    title: "Octave", file: "main.m", starter: () => import("../../starters/octave.txt"),
    highlighting: () => stream(import("@codemirror/legacy-modes/mode/octave").then(mode => mode.octave)),
  },
  pascal: {
    title: "Pascal", file: "main.pas", starter: () => import("../../starters/pascal.txt"),
    highlighting: () => stream(import("@codemirror/legacy-modes/mode/pascal").then(mode => mode.pascal)),
  },
  perl: {
    title: "Perl", file: "main.pl", starter: () => import("../../starters/perl.txt"),
    highlighting: () => stream(import("@codemirror/legacy-modes/mode/perl").then(mode => mode.perl)),
  },
  php: {
    title: "PHP", file: "main.php", starter: () => import("../../starters/php.txt"),
    highlighting: async () => (await import("@codemirror/lang-php")).php(),
  },
  pypy: {
    title: "PyPy", file: "main.py", starter: () => import("../../starters/pypy.txt"),
    highlighting: async () => (await import("@codemirror/lang-python")).python(),
  },
  python: {
    title: "Python", file: "main.py", starter: () => import("../../starters/python.txt"),
    highlighting: async () => (await import("@codemirror/lang-python")).python(),
  },
  r: {
    title: "R", file: "main.R", starter: () => import("../../starters/r.txt"),
    highlighting: () => stream(import("@codemirror/legacy-modes/mode/r").then(mode => mode.r)),
  },
  ruby: {
    title: "Ruby", file: "main.rb", starter: () => import("../../starters/ruby.txt"),
    highlighting: () => stream(import("@codemirror/legacy-modes/mode/ruby").then(mode => mode.ruby)),
  },
  rust: {
    title: "Rust", file: "main.rs", starter: () => import("../../starters/rust.txt"),
    highlighting: async () => (await import("@codemirror/lang-rust")).rust(),
  },
  sql: {
    title: "SQL (SQLite)", file: "main.sql", starter: () => import("../../starters/sql.txt"),
    highlighting: async () => { const { sql, SQLite } = await import("@codemirror/lang-sql"); return sql({ dialect: SQLite }); },
  },
  typescript: {
    title: "TypeScript", file: "main.ts", starter: () => import("../../starters/typescript.txt"),
    highlighting: async () => (await import("@codemirror/lang-javascript")).javascript({ typescript: true }),
  },
};

export const title = (name: string): string => KNOWN[name]?.title ?? name;
export const mainFile = (name: string): string => KNOWN[name]?.file ?? "main";
export const highlighting = async (name: string): Promise<Extension> => await KNOWN[name]?.highlighting?.() ?? [];
export const starter = async (name: string): Promise<string> => (await KNOWN[name]?.starter?.())?.default ?? "";
/* The test cases of every starter. */
export const starterCases = () => [{ input: "19 23\n", expected: "42\n" }, { input: "-5 2\n", expected: "-3\n" }];
