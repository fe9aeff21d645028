/* The work as something to take elsewhere: a command, a program, a body, an address, a frame for a course page. */
import type { ExecuteBody } from "../shared/executor";
import { encoded, judgeRequest, runRequest, type Work } from "./work";

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
const here = (path: string): string => new URL(path, document.baseURI).href;
const attribute = (text: string): string => text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");

function curl(body: ExecuteBody, withKey: boolean): string {
  return `curl ${quoted(here("execute"))} -H 'Content-Type: application/json' ${withKey ? "-H \"X-API-Key: $EXECUTOR_API_KEY\" " : ""}\\\n`
    + `  -d ${quoted(JSON.stringify(body))}\n`;
}

function python(body: ExecuteBody, withKey: boolean): string {
  /* A JSON text is read by Python's own reader, since true, false and null are other words there. */
  return `import json\n${withKey ? "import os\n" : ""}from urllib.request import Request, urlopen\n\n`
    + `body = json.loads(${JSON.stringify(JSON.stringify(body))})\n`
    + `headers = {"Content-Type": "application/json"${withKey ? ', "X-API-Key": os.environ["EXECUTOR_API_KEY"]' : ""}}\n`
    + `with urlopen(Request(${JSON.stringify(here("execute"))}, json.dumps(body).encode(), headers)) as answer:\n`
    + "    print(json.dumps(json.load(answer), indent=2))\n";
}

export async function link(work: Work, embed = false): Promise<string> {
  return `${here(embed ? "./?embed" : "./")}#${await encoded(work)}`;
}

export type Form = "link" | "curl" | "python" | "json" | "embed";

export async function copyOf(form: Form, work: Work, judged: boolean, withKey: boolean): Promise<string> {
  const body = judged ? judgeRequest(work) : runRequest(work);
  switch (form) {
    case "link": return await link(work);
    case "curl": return curl(body, withKey);
    case "python": return python(body, withKey);
    case "json": return `${JSON.stringify(body, null, 2)}\n`;
    case "embed": return `<iframe src="${attribute(await link(work, true))}" title="Program to try" width="100%" height="600"></iframe>\n`;
  }
}
