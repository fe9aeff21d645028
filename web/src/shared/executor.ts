/* The executor's HTTP API: its types, and calls that say in words what went wrong. */

export interface FileBody { name: string; content: string; encoding?: "utf8" | "base64" }
export interface Step {
  stdout: string; stderr: string; code: number | null; signal: string | null; status: string; message: string;
  cpu_time: number; wall_time: number; memory: number; stdout_truncated: boolean; stderr_truncated: boolean;
  limited_by?: string | null;
}
export interface CaseResult extends Partial<Step> {
  id: string; status: string; passed?: boolean; expected_output?: string;
  score?: number | null; max_score?: number | null; feedback?: string; judge_feedback?: string;
}
export interface Group { name: string; status: string; score?: number; max_score?: number | null; groups?: Group[] }
export interface Problem { problem: string; name: string; cases: number; warnings: { path?: string; message?: string }[] }
export interface ReturnedFile { name: string; content: string | null; message: string }
export interface FieldError { field: string; message: string }
export interface Answer {
  language: string; version: string; compile?: Step; warnings?: FieldError[];
  run?: Step; files?: ReturnedFile[];
  status?: string; passed?: number; total?: number; test_results?: CaseResult[];
  score?: number; max_score?: number | null; groups?: Group[];
}
export interface Language { language: string; version: string; aliases: string[]; compiled: boolean }
export interface ExecuteBody {
  language: string; files: FileBody[]; stdin?: string; args?: string[]; timeout?: number; memory_limit_mb?: number;
  time_limit?: number; test_cases?: { id: string; input: string; expected_output: string }[]; comparator?: string;
  return_files?: string[]; problem?: string; question_id?: string;
}

/* A key stays in this tab alone, and only until it is closed; no cookie has it, so that no other site can spend it. */
const KEY = "executor-key";
export const key = {
  get: (): string => sessionStorage.getItem(KEY) ?? "",
  set: (value: string): void => value ? sessionStorage.setItem(KEY, value) : sessionStorage.removeItem(KEY),
};

/* What a person can do about each refusal, by the code of the answer. */
export const ADVICE: Record<string, string> = {
  bad_request: "Send HTTP/1.1.",
  invalid_json: "Send the body as JSON in UTF-8.",
  unauthorized: "Enter a key that this executor accepts. Whoever runs it can give you one.",
  forbidden: "Use a key that may do this; whoever runs the executor lists those that may.",
  forbidden_origin: "Send a key: pages of other sites may not connect without one.",
  not_found: "Look at the path: it is not one of this executor's.",
  method_not_allowed: "Use the method that the answer names.",
  request_timeout: "Send it again; the connection was too slow.",
  payload_too_large: "Make the program, its input or its test cases smaller.",
  unsupported_media_type: "Send the header Content-Type: application/json.",
  invalid_request: "Correct the fields that the answer names.",
  invalid_problem: "Correct the package where the answer names it, and put it again.",
  unknown_problem: "Put the package first: PUT /problems gives its name.",
  unknown_language: "Choose a language that this executor has; GET /languages lists them.",
  busy: "Try again in a moment: every place is taken.",
  headers_too_large: "Send fewer or shorter headers.",
  draining: "Try again: this replica is about to stop, and another one will answer.",
  store_unavailable: "Try again; if it stays so, whoever runs the executor has to look at its store.",
  no_room: "Try again: this replica's machine is full, and another one may have room.",
  internal_error: "It is not your program's fault. Try again; the executor's log says what happened.",
};

export class Trouble extends Error {
  /* `code` is the refusal's, or empty where the executor could not be reached. */
  constructor(message: string, readonly code = "", readonly retrySeconds = 0) { super(message); }
}

export async function call(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  if (key.get()) headers.set("Authorization", `Bearer ${key.get()}`);
  let response: Response;
  try {
    response = await fetch(path, { ...init, headers, credentials: "omit" });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Trouble("The executor could not be reached. Your text is kept; try again when the connection is back.");
  }
  if (response.ok) return response;
  throw await trouble(response);
}

async function trouble(response: Response): Promise<Trouble> {
  let words = `The executor answered ${response.status}.`, code = "";
  try {
    const problem = await response.json() as { code?: string; title?: string; detail?: string; errors?: FieldError[] };
    code = problem.code ?? "";
    words = [problem.title && `${problem.title}.`, problem.detail, ADVICE[code],
      ...(problem.errors ?? []).map(error => `${error.field}: ${error.message}.`)].filter(Boolean).join(" ");
  } catch { /* an answer of something between here and the executor */ }
  /* How a program would send a key is of no use to a person. */
  if (code === "unauthorized") words = `${key.get() ? "This executor does not accept this key." : "This executor asks for a key."} ${ADVICE[code]}`;
  return new Trouble(words, code, Number(response.headers.get("Retry-After")) || 0);
}

export async function execute(body: ExecuteBody, signal?: AbortSignal): Promise<Answer> {
  const init = { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" }, signal };
  /* A replica that is busy or about to stop has not begun: the next one, or the next moment, may be better. */
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await (await call("execute", init)).json() as Answer;
    } catch (error) {
      const again = error instanceof Trouble && ["busy", "draining", "no_room"].includes(error.code) && attempt < 4;
      if (!again) throw error;
      await new Promise(resolve => setTimeout(resolve, Math.min(error.retrySeconds || 1, 5) * 1000));
    }
  }
}

export const putProblem = async (zip: Blob): Promise<Problem> =>
  await (await call("problems", { method: "PUT", body: zip, headers: { "Content-Type": "application/zip" } })).json() as Problem;

export const languages = async (): Promise<Language[]> => await (await call("languages")).json() as Language[];
export interface Health {
  status: string; replica: string; version: string; uptime: number; languages: string[];
  isolation: Record<string, unknown>;
}
/* A replica that cannot run code says so with a 503 that is no refusal. */
export const health = async (): Promise<Health> => await (await fetch("health", { credentials: "omit" })).json() as Health;
