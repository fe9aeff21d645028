/* One run that a person can follow, stop and type to, through the executor's WebSocket; at once where there is none. */
import { type Answer, execute, key, type ReturnedFile, type Step, Trouble } from "../shared/executor";
import { runRequest, type Work } from "./work";

export interface Watcher {
  /* Words for a person, such as that the program is being compiled. */
  stage: (words: string) => void;
  output: (stream: "stdout" | "stderr", text: string) => void;
  /* From now on what is typed reaches the program, or no longer does. */
  interactive: (can: boolean) => void;
}
export interface Ended { compile?: Step; run?: Step; files: ReturnedFile[]; warnings: string[] }
export interface Run {
  type: (text: string) => void;
  endInput: () => void;
  stop: () => void;
  /* Rejects with Trouble, or with an AbortError where a person stopped it before it began. */
  ended: Promise<Ended>;
}

interface Told {
  type: "runtime" | "stage" | "data" | "exit" | "error";
  stage?: "compile" | "run"; stream?: "stdout" | "stderr"; data?: string; message?: string | null;
  code?: number | null; signal?: string | null; reason?: string; cpu_time?: number; wall_time?: number; memory?: number;
  files?: ReturnedFile[];
}

/* The executor takes no larger message. */
const MOST_CHARACTERS = 900_000;
const PROTOCOL = "executor";

/* The whole run as one request: its output comes when it has ended. */
function atOnce(work: Work, watcher: Watcher): Run {
  const stopper = new AbortController();
  const ended = execute(runRequest(work), stopper.signal).then((answer: Answer) => {
    if (answer.run && answer.run.status !== "compile_error") {
      watcher.output("stdout", answer.run.stdout);
      watcher.output("stderr", answer.run.stderr);
    }
    return {
      compile: answer.compile, run: answer.run, files: answer.files ?? [],
      warnings: (answer.warnings ?? []).map(warning => `${warning.field}: ${warning.message}`),
    };
  });
  return { type: () => undefined, endInput: () => undefined, stop: () => stopper.abort(), ended };
}

function protocols(): string[] {
  if (!key.get()) return [PROTOCOL];
  const text = String.fromCharCode(...new TextEncoder().encode(key.get()));
  return [PROTOCOL, `${PROTOCOL}.key.${btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}`];
}

const longestRun = (): number => Number(document.documentElement.dataset.longestRun);

/* The program's output as it comes. A program without standard input of its own can be typed to, and has as long as any may. */
export function live(work: Work, version: string, watcher: Watcher): Run {
  const { stdin, ...request } = runRequest(work);
  const typed = !stdin;
  const first = JSON.stringify({
    type: "init", ...request, version: version || "*", stdin, ...(typed && longestRun() && { run_timeout: longestRun() * 1000 }),
  });
  if (first.length > MOST_CHARACTERS) return atOnce(work, watcher);
  const address = new URL("api/v2/connect", document.baseURI);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(address, protocols());
  const said = { stdout: "", stderr: "" };
  let stage: "" | "compile" | "run" = "", opened = false, stopped = false, other: Run | null = null;
  const send = (message: object): void => { if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message)); };
  const ended = new Promise<Ended>((resolve, reject) => {
    const result: Ended = { files: [], warnings: [] };
    let trouble = "";
    socket.onopen = () => {
      opened = true;
      socket.send(first);
      if (!typed) send({ type: "data", stream: "stdin", data: "", end: true });
      watcher.stage("Waiting for a place …");
    };
    socket.onmessage = event => {
      const told = JSON.parse(event.data as string) as Told;
      if (told.type === "stage") {
        stage = told.stage ?? "run";
        const most = typed && longestRun() ? ` It is stopped after ${longestRun()} s, the time to type included.` : "";
        watcher.stage(stage === "compile" ? "Compiling …" : `Running …${most}`);
        watcher.interactive(stage === "run" && typed);
      } else if (told.type === "data" && told.stream) {
        if (stage === "compile") said[told.stream] += told.data ?? "";
        else watcher.output(told.stream, told.data ?? "");
      } else if (told.type === "exit") {
        result[told.stage ?? "run"] = step(told, told.stage === "compile" ? said : { stdout: "", stderr: "" }, stopped);
        result.files = told.files ?? result.files;
      } else if (told.type === "error") trouble = told.message ?? "";
    };
    socket.onclose = () => {
      if (result.run || (result.compile && result.compile.code !== 0)) resolve(result);
      else if (stopped) reject(new DOMException("stopped", "AbortError"));
      else if (trouble) reject(new Trouble(trouble));
      else if (opened) reject(new Trouble("The connection was lost in the middle of the run. Your text is kept; run it again."));
      else {
        /* Nothing has begun. A proxy without WebSockets, a refused key or a full replica look alike here, not in an answer. */
        other = atOnce(work, watcher);
        other.ended.then(resolve, reject);
      }
    };
  });
  return {
    type: text => send({ type: "data", stream: "stdin", data: text }),
    endInput: () => send({ type: "data", stream: "stdin", data: "", end: true }),
    stop() {
      stopped = true;
      if (other) other.stop();
      else if (stage === "run") send({ type: "signal", signal: "SIGKILL" });
      else socket.close();
    },
    ended,
  };
}

function step(told: Told, said: { stdout: string; stderr: string }, stopped: boolean): Step {
  return {
    ...said, code: told.code ?? null, signal: told.signal ?? null, message: told.message ?? "",
    status: stopped && told.signal === "SIGKILL" ? "cancelled" : told.reason ?? "ok",
    cpu_time: told.cpu_time ?? 0, wall_time: told.wall_time ?? 0, memory: told.memory ?? 0,
    stdout_truncated: false, stderr_truncated: false,
  };
}
