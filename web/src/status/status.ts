/* `GET /status`: this replica for people on contest day, from its own metrics. */
import { empty, find, make } from "../shared/elements";
import { call, type Health, health, Trouble } from "../shared/executor";
import { askForKey, keyField } from "../shared/key";
import { title } from "../shared/languages";
import { theme } from "../shared/theme";
import { bars, line } from "./charts";
import { by, type Sample, samples, value } from "./exposition";

const EVERY_MS = 2000;
const KEPT = 150;
const used: number[] = [], waiting: number[] = [];
let asked = false;

const place = (id: string): HTMLElement => find(id, HTMLElement);
const fact = (words: string, figure: string, kind = ""): HTMLElement =>
  make("div", { className: `fact ${kind}` }, make("strong", {}, figure), make("span", {}, words));

function duration(milliseconds: number): string {
  const minutes = Math.floor(milliseconds / 60_000);
  return minutes < 1 ? `${Math.floor(milliseconds / 1000)} s` : minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h`;
}

function remember(list: number[], figure: number): void {
  list.push(figure);
  if (list.length > KEPT) list.shift();
}

/* The bound below which a share of a histogram's executions lies, in seconds; null without any. */
function quantile(all: readonly Sample[], share: number): number | null {
  const buckets = [...by(all, "executor_execution_seconds_bucket", "le")]
    .map(([bound, count]) => [bound === "+Inf" ? Infinity : Number(bound), count] as const).sort(([one], [other]) => one - other);
  const total = buckets.at(-1)?.[1] ?? 0;
  return total ? buckets.find(([, count]) => count >= total * share)?.[0] ?? null : null;
}

function show(all: readonly Sample[], now: Health): void {
  const slots = value(all, "executor_slots"), ready = value(all, "executor_ready") === 1;
  remember(used, value(all, "executor_slots_in_use"));
  remember(waiting, value(all, "executor_queue_length"));
  const verdicts = [...by(all, "executor_executions_total", "status")].sort(([, one], [, other]) => other - one);
  const total = verdicts.reduce((sum, [, count]) => sum + count, 0);
  empty(place("facts"),
    fact("state", now.status === "healthy" ? ready ? "Ready" : "Stopping or starting" : "Cannot run code", now.status === "healthy" && ready ? "good" : "bad"),
    fact("in use", `${used.at(-1)} of ${slots}`), fact("waiting", String(waiting.at(-1))), fact("executions", total.toLocaleString("en")),
    fact("replica", now.replica), fact("running for", duration(now.uptime)), fact("version", now.version));
  empty(place("load"),
    make("figure", {}, line(used, slots, KEPT, `Places in use now: ${used.at(-1)} of ${slots}`), make("figcaption", {}, "Places in use while this page was open, five minutes at most")),
    make("figure", {}, line(waiting, Math.max(...waiting), KEPT, `Submissions that wait now: ${waiting.at(-1)}`), make("figcaption", {}, "Submissions that wait")));
  const shown = (status: string): string => status.replaceAll("_", " ");
  empty(place("verdicts"), verdicts.length
    ? bars(verdicts.map(([status, count]) => [shown(status), count, ["ok", "accepted"].includes(status) ? "good" : "bad"] as const),
      `Verdicts: ${verdicts.map(([status, count]) => `${shown(status)} ${count}`).join(", ")}`)
    : "Nothing has run yet.");
  const median = quantile(all, 0.5), slow = quantile(all, 0.95);
  const within = (bound: number): string => Number.isFinite(bound) ? `within ${bound} s` : "longer than all bounds";
  const languages = [...by(all, "executor_execution_seconds_sum", "language")].map(([language, seconds]) => {
    const count = by(all, "executor_execution_seconds_count", "language").get(language) ?? 0;
    return [title(language), count ? seconds / count * 1000 : 0, "plain"] as const;
  }).filter(([, mean]) => mean > 0).sort(([, one], [, other]) => other - one);
  empty(place("seconds"), median === null ? "Nothing has run yet." : `Half ${within(median)}, 95 of 100 ${within(slow ?? median)}. Mean of each language, in milliseconds:`,
    languages.length > 0 && bars(languages, languages.map(([name, mean]) => `${name} ${Math.round(mean)} ms`).join(", ")));
  const refusals = [...by(all, "executor_refusals_total", "reason")].filter(([, count]) => count > 0);
  empty(place("refusals"), refusals.length
    ? bars(refusals.map(([reason, count]) => [shown(reason), count, "plain"] as const), refusals.map(([reason, count]) => `${reason} ${count}`).join(", "))
    : "None.");
  empty(place("languages"), now.languages.map(title).join(", "));
  empty(place("sandbox"), make("dl", { className: "walls" }, ...Object.entries(now.isolation).map(([name, state]) => make("div", {},
    make("dt", {}, name.replaceAll("_", " ")), make("dd", {}, state === true ? "yes" : state === false ? "no" : Array.isArray(state) ? state.join(", ") || "none" : String(state))))));
}

async function look(): Promise<void> {
  const trouble = place("trouble");
  try {
    const [metrics, now] = await Promise.all([call("metrics").then(response => response.text()), health()]);
    trouble.hidden = true;
    show(samples(metrics), now);
  } catch (error) {
    trouble.hidden = false;
    trouble.textContent = error instanceof Trouble ? error.message : "The executor could not be reached; this page goes on trying.";
    if (error instanceof Trouble && error.code === "unauthorized" && !asked) { asked = true; askForKey(); }
  }
}

/* One look after the other, and none while nobody sees the page. */
async function watch(): Promise<void> {
  if (!document.hidden) await look();
  setTimeout(() => void watch(), EVERY_MS);
}

theme();
keyField(() => void look());
void watch();
