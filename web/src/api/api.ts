/* `GET /docs`: the API, from its own description, with forms that send. */
import { empty, find, make } from "../shared/elements";
import { ADVICE, key, type ExecuteBody } from "../shared/executor";
import { askForKey, keyField } from "../shared/key";
import { mainFile, starter, starterCases, title } from "../shared/languages";
import { theme } from "../shared/theme";

interface Schema {
  $ref?: string; anyOf?: Schema[]; enum?: unknown[]; type?: string | string[]; items?: Schema; prefixItems?: Schema[]; default?: unknown;
  description?: string; properties?: Record<string, Schema>; required?: string[]; const?: unknown;
}
interface Media { schema?: Schema; example?: unknown; examples?: Record<string, { value: unknown }> }
interface Operation {
  operationId: string; summary: string; description?: string;
  parameters?: { name: string; in: string; description?: string; schema?: Schema; required?: boolean }[];
  requestBody?: { content: Record<string, Media> };
  responses: Record<string, { description: string; content?: Record<string, Media> }>;
}
interface Document {
  info: { description: string; version: string }; paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
}

const nameOf = (reference: string): string => reference.split("/").pop() ?? reference;

/* What a schema says in a few words; a type that is described below is a link to it. */
function words(schema: Schema | undefined): (Node | string)[] {
  if (!schema) return ["any"];
  if (schema.$ref) return [make("a", { href: `#${nameOf(schema.$ref)}` }, nameOf(schema.$ref))];
  if (schema.anyOf) return schema.anyOf.flatMap((each, position) => [...(position ? [" or "] : []), ...words(each)]);
  if (schema.enum) return [schema.enum.map(String).join(", ")];
  if (schema.type === "array") return ["list of ", ...words(schema.items ?? schema.prefixItems?.[0])];
  return [Array.isArray(schema.type) ? schema.type.join(" or ") : schema.type ?? "any"];
}

function table(heads: string[], rows: (Node | string)[][][], label: string): HTMLElement {
  return make("div", { className: "scrolled", tabIndex: 0, role: "region", "aria-label": label }, make("table", {},
    make("thead", {}, make("tr", {}, ...heads.map(head => make("th", { scope: "col" }, head)))),
    make("tbody", {}, ...rows.map(row => make("tr", {}, ...row.map(cell => make("td", {}, ...cell)))))));
}

const fields = (schema: Schema, label: string): HTMLElement => table(["field", "type", "default", "meaning"],
  Object.entries(schema.properties ?? {}).map(([name, field]) => [
    [make("code", {}, name)], words(field), [schema.required?.includes(name) ? "required" : JSON.stringify(field.default) ?? ""],
    prose(field.description),
  ]), label);

function answers(operation: Operation): HTMLElement {
  return table(["status", "when", "body"], Object.entries(operation.responses).map(([status, answer]) => {
    const [media] = Object.values(answer.content ?? {});
    return [[status], [answer.description], media?.schema ? words(media.schema) : ["text"]];
  }), `Answers of ${operation.summary}`);
}

/* A program in each language of this host, once as a run and once judged. */
async function example(language: string, judged: boolean): Promise<ExecuteBody> {
  const files = [{ name: mainFile(language), content: await starter(language) }], cases = starterCases();
  return judged
    ? { language, files, test_cases: cases.map((each, position) => ({ id: String(position + 1), input: each.input, expected_output: each.expected })) }
    : { language, files, stdin: cases[0]?.input ?? "" };
}

function attempt(method: string, path: string, media: [string, Media] | undefined, languages: readonly string[]): HTMLElement {
  const answer = make("pre", { hidden: true, tabIndex: 0, "aria-label": `Answer of ${path}` });
  const given: [string, unknown][] = !media ? [] : media[1].examples
    ? Object.entries(media[1].examples).map(([name, each]) => [name, each.value]) : [["", media[1].example]];
  const body = make("textarea", { rows: 10, spellcheck: false, "aria-label": `Body of ${method} ${path}` });
  const show = (value: unknown): void => { body.value = value === undefined ? "" : JSON.stringify(value, null, 2); };
  if (media) show(given[0]?.[1]);
  const places = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => make("input", { name, "aria-label": name, placeholder: name }));
  const send = async (): Promise<void> => {
    const headers: Record<string, string> = key.get() ? { Authorization: `Bearer ${key.get()}` } : {};
    if (media) headers["Content-Type"] = media[0];
    answer.hidden = false;
    answer.textContent = "…";
    const address = places.reduce((text, place) => text.replace(`{${place.name}}`, encodeURIComponent(place.value)), path.slice(1));
    try {
      const response = await fetch(address, { method, headers, credentials: "omit", ...(media && { body: body.value }) });
      const text = await response.text();
      const json = response.headers.get("Content-Type")?.includes("json");
      const problem = json ? JSON.parse(text) as { code?: string } : {};
      const advice = !response.ok && problem.code && ADVICE[problem.code];
      answer.textContent = `${response.status}\n${json ? JSON.stringify(problem, null, 2) : text}${advice ? `\n\n${advice}` : ""}`;
      if (response.status === 401) askForKey();
    } catch (error) {
      answer.textContent = `The executor could not be reached: ${String(error)}`;
    }
  };
  const choices: HTMLElement[] = path === "/execute" ? [chooser(languages, async (language, judged) => show(await example(language, judged)))]
    : given.length > 1 ? given.map(([name, value]) => make("button", { type: "button", onclick: () => show(value) }, `Example: ${name}`)) : [];
  return make("div", { className: "attempt" }, ...places, media ? body : null,
    make("div", { className: "bar" }, make("button", { type: "button", className: "main", onclick: () => void send() }, "Send"), ...choices), answer);
}

function chooser(languages: readonly string[], show: (language: string, judged: boolean) => Promise<void>): HTMLElement {
  const select = make("select", {}, ...languages.map(name => make("option", { value: name }, title(name))));
  if (languages.includes("python")) select.value = "python";
  return make("span", { className: "bar" }, make("label", {}, "Example in ", select),
    make("button", { type: "button", onclick: () => void show(select.value, false) }, "Run"),
    make("button", { type: "button", onclick: () => void show(select.value, true) }, "Judge"));
}

/* Words in which code stands between backticks. */
function prose(text: string | undefined): (Node | string)[] {
  return (text ?? "").split("`").map((part, position) => position % 2 ? make("code", {}, part) : part);
}

/* Interfaces of other products, by what their paths begin with. */
const DOORS: [string, string][] = [
  ["/api/v2", "Piston's interface"], ["/jobe", "Jobe's interface, for Moodle's CodeRunner"], ["/judge0", "Judge0's interface"],
  ["/v1", "codapi's interface"], ["/mcp", "Model Context Protocol, for assistants"],
];

function section(path: string, method: string, operation: Operation, api: Document, languages: readonly string[]): HTMLElement {
  const media = Object.entries(operation.requestBody?.content ?? {})[0];
  const reference = media?.[1].schema?.$ref;
  const schema = reference ? api.components.schemas[nameOf(reference)] : undefined;
  return make("section", { id: operation.operationId },
    make("h3", {}, make("code", {}, `${method.toUpperCase()} ${path}`), ` ${operation.summary}`),
    operation.description ? make("p", {}, ...prose(operation.description)) : null,
    operation.parameters?.length ? make("h4", {}, "Parameters") : null,
    operation.parameters?.length ? table(["parameter", "in", "meaning"], operation.parameters.map(each =>
      [[make("code", {}, each.name)], [each.in], prose(each.description)]), `Parameters of ${method} ${path}`) : null,
    schema?.properties ? make("h4", {}, "Body") : null,
    schema?.properties ? fields(schema, `Fields of ${method} ${path}`) : null,
    make("h4", {}, "Answers"), answers(operation),
    attempt(method.toUpperCase(), path, media, languages));
}

const doorId = (door: string): string => door.split(/\W/)[0]!.toLowerCase();

/* What the address names, unfolded. */
function show(): void {
  const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const door = named?.closest<HTMLDetailsElement>("details.door");
  if (door) door.open = true;
  named?.scrollIntoView();
}

async function build(): Promise<void> {
  const about = find("about", HTMLParagraphElement);
  try {
    const [api, health] = await Promise.all([
      fetch("openapi.json").then(response => response.json() as Promise<Document>),
      fetch("health").then(response => response.json() as Promise<{ languages: string[] }>),
    ]);
    empty(about, `${api.info.description} Version ${api.info.version}. All of it for programs: `, make("a", { href: "openapi.json" }, "openapi.json"), ".");
    const every = Object.entries(api.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ path, method, operation })));
    const doorOf = (path: string): string => DOORS.find(([prefix]) => path.startsWith(prefix))?.[1] ?? "";
    const sections = (door: string): HTMLElement[] => every.filter(({ path }) => doorOf(path) === door)
      .map(({ path, method, operation }) => section(path, method, operation, api, health.languages));
    const open = DOORS.map(([, door]) => door).filter(door => every.some(({ path }) => doorOf(path) === door));
    empty(find("api", HTMLDivElement),
      make("nav", { className: "contents", "aria-label": "Paths" }, make("ul", {},
        ...every.filter(({ path }) => !doorOf(path)).map(({ path, method, operation }) =>
          make("li", {}, make("a", { href: `#${operation.operationId}` }, `${method.toUpperCase()} ${path}`))),
        ...open.map(door => make("li", {}, make("a", { href: `#${doorId(door)}` }, door))),
        make("li", {}, make("a", { href: "#errors" }, "Errors")), make("li", {}, make("a", { href: "#types" }, "Types")))),
      ...sections(""),
      ...open.map(door => make("details", { className: "door", id: doorId(door) }, make("summary", {}, door), ...sections(door))),
      make("h3", { id: "errors" }, "Errors"),
      make("p", {}, "A refusal is application/problem+json. Its code says what to do:"),
      table(["code", "what to do"], Object.entries(ADVICE).map(([code, advice]) => [[make("code", {}, code)], [advice]]), "Codes of refusals"),
      make("h3", { id: "types" }, "Types"),
      ...Object.entries(api.components.schemas).flatMap(([name, schema]) => [
        make("h4", { id: name }, make("code", {}, name)), make("p", {}, ...prose(schema.description)),
        schema.properties ? fields(schema, `Fields of ${name}`) : make("p", {}, ...words(schema)),
      ]));
    show();
  } catch (error) {
    empty(about, `This page could not be built: ${String(error)}`);
  }
}

theme();
keyField();
addEventListener("hashchange", show);
void build();
