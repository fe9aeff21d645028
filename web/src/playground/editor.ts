/* The editor: CodeMirror with this page's colours, one state for each file, and lines that cannot be changed. */
import { closeBrackets, closeBracketsKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { bracketMatching, HighlightStyle, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { Compartment, EditorState, type Extension, type Range, StateEffect, StateField } from "@codemirror/state";
import {
  Decoration, type DecorationSet, drawSelection, EditorView, highlightActiveLine, highlightSpecialChars, keymap, lineNumbers,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";

const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.modifier], color: "var(--keyword)" },
  { tag: [tags.string, tags.special(tags.string), tags.regexp, tags.character], color: "var(--string)" },
  { tag: [tags.number, tags.bool, tags.null, tags.atom], color: "var(--number)" },
  { tag: [tags.comment, tags.lineComment, tags.blockComment], color: "var(--comment)", fontStyle: "italic" },
  { tag: [tags.typeName, tags.className, tags.namespace], color: "var(--type)" },
  { tag: [tags.function(tags.variableName), tags.function(tags.propertyName), tags.standard(tags.name)], color: "var(--function)" },
  { tag: [tags.meta, tags.processingInstruction], color: "var(--type)" },
  { tag: tags.invalid, color: "var(--bad)" },
]);

const locks = StateEffect.define<[number, number][]>();
const lockedLine = Decoration.line({ class: "locked", attributes: { title: "This line cannot be changed" } });

/* Locked lines as ranges of characters, which move with what is typed elsewhere. */
const lockedRanges = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(ranges, transaction) {
    let next = ranges.map(transaction.changes);
    for (const effect of transaction.effects) if (effect.is(locks)) next = lines(transaction.state, effect.value);
    return next;
  },
  provide: field => EditorView.decorations.from(field),
});

function lines(state: EditorState, places: readonly [number, number][]): DecorationSet {
  const found: Range<Decoration>[] = [];
  for (const [first, last] of places)
    for (let line = first; line <= Math.min(last, state.doc.lines); line += 1) found.push(lockedLine.range(state.doc.line(line).from));
  return Decoration.set(found, true);
}

function lockedLines(state: EditorState): number[] {
  const found: number[] = [];
  state.field(lockedRanges).between(0, state.doc.length, from => { found.push(state.doc.lineAt(from).number); });
  return [...new Set(found)];
}

/* A change may not touch a locked line, nor the line end before it: that would join it with another. */
const keepLocked = EditorState.transactionFilter.of(transaction => {
  if (!transaction.docChanged) return transaction;
  const state = transaction.startState, kept = new Set(lockedLines(state));
  if (!kept.size) return transaction;
  let touched = false;
  transaction.changes.iterChanges((from, to, _from, _to, inserted) => {
    const first = state.doc.lineAt(from), last = state.doc.lineAt(to);
    for (let line = first.number; line <= last.number; line += 1) {
      /* Another line may begin at the very end of a locked one. */
      const after = from === to && from === state.doc.line(line).to && inserted.lines > 1 && inserted.line(1).length === 0;
      if (kept.has(line) && !after) touched = true;
    }
  });
  if (touched) dispatchEvent(new CustomEvent("locked-line"));
  return touched ? [] : transaction;
});

export interface Editor {
  view: EditorView;
  /* Shows a file; what was typed into another one before is kept in that one's state. */
  open: (name: string, content: string, locked?: [number, number][]) => void;
  forget: (name?: string) => void;
  language: (extension: Extension) => void;
  goTo: (line: number, column?: number) => void;
  /* Locks the selected lines, or frees them where all of them are locked. */
  toggleLock: () => void;
  locked: () => [number, number][];
}

export function editor(parent: HTMLElement, changed: (content: string) => void, commands: Extension): Editor {
  const language = new Compartment();
  const label = new Compartment();
  let extension: Extension = [];
  let shown = "";
  const states = new Map<string, EditorState>();
  const described = (name: string): Extension => EditorView.contentAttributes.of({
    "aria-label": `Program, ${name}`, "aria-describedby": "editor-keys", spellcheck: "false", autocapitalize: "off",
  });
  const make = (name: string, content: string): EditorState => EditorState.create({
    doc: content,
    extensions: [
      commands, lineNumbers(), highlightSpecialChars(), history(), drawSelection(), indentOnInput(), bracketMatching(),
      closeBrackets(), highlightActiveLine(), highlightSelectionMatches(), indentUnit.of("    "), EditorState.tabSize.of(4),
      EditorView.lineWrapping, syntaxHighlighting(colours), lockedRanges, keepLocked,
      keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...searchKeymap, ...historyKeymap, indentWithTab]),
      language.of(extension), label.of(described(name)),
      EditorView.updateListener.of(update => {
        const relocked = update.transactions.some(each => each.effects.some(effect => effect.is(locks)));
        if (update.docChanged || relocked) changed(update.state.doc.toString());
      }),
      EditorView.cspNonce.of(document.documentElement.dataset.nonce ?? ""),
    ],
  });
  /* The first state has the nonce: styles are put into the page with it. */
  const view = new EditorView({ parent, state: make("", "") });
  const locked = (): [number, number][] => {
    const ranges: [number, number][] = [];
    for (const line of lockedLines(view.state)) {
      const last = ranges.at(-1);
      if (last && last[1] === line - 1) last[1] = line;
      else ranges.push([line, line]);
    }
    return ranges;
  };
  return {
    view,
    open(name, content, places = []) {
      if (shown) states.set(shown, view.state);
      shown = name;
      const kept = states.get(name);
      if (kept && kept.doc.toString() === content) view.setState(kept);
      else {
        view.setState(make(name, content));
        if (places.length) view.dispatch({ effects: locks.of(places) });
      }
      view.dispatch({ effects: language.reconfigure(extension) });
    },
    forget(name) {
      if (name === undefined) states.clear();
      else states.delete(name);
      if (name === undefined || name === shown) shown = "";
    },
    language(next) { extension = next; view.dispatch({ effects: language.reconfigure(next) }); },
    goTo(line, column = 1) {
      const place = view.state.doc.line(Math.min(Math.max(line, 1), view.state.doc.lines));
      const position = Math.min(place.from + Math.max(column - 1, 0), place.to);
      view.dispatch({ selection: { anchor: position }, effects: EditorView.scrollIntoView(position, { y: "center" }) });
      view.focus();
    },
    toggleLock() {
      const { state } = view, now = new Set(lockedLines(state));
      const first = state.doc.lineAt(state.selection.main.from).number, last = state.doc.lineAt(state.selection.main.to).number;
      const chosen = Array.from({ length: last - first + 1 }, (_, offset) => first + offset);
      const free = chosen.every(line => now.has(line));
      for (const line of chosen) { if (free) now.delete(line); else now.add(line); }
      view.dispatch({ effects: locks.of([...now].sort((one, other) => one - other).map(line => [line, line])) });
    },
    locked,
  };
}
