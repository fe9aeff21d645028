/* One run that a person can follow, stop and type to. */
import { type Answer, execute, type ReturnedFile, type Step } from "../shared/executor";
import { runRequest, type Work } from "./work";

export interface Watcher {
  /* Words for a person, such as that the program is being compiled. */
  stage: (words: string) => void;
  output: (stream: "stdout" | "stderr", text: string) => void;
}
export interface Ended { compile?: Step; run?: Step; files: ReturnedFile[]; warnings: string[] }
export interface Run {
  /* Whether what is typed reaches the program. */
  interactive: boolean;
  type: (text: string) => void;
  endInput: () => void;
  stop: () => void;
  /* Rejects with Trouble, or with an AbortError where a person stopped it. */
  ended: Promise<Ended>;
}

/* The whole run as one request: its output comes when it has ended. */
export function atOnce(work: Work, watcher: Watcher): Run {
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
  return { interactive: false, type: () => undefined, endInput: () => undefined, stop: () => stopper.abort(), ended };
}
