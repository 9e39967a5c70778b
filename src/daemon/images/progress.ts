/**
 * Streams of progress: a JSON object a line. As long as nothing was sent, a failure is an ordinary answer with its status;
 * afterwards it is a line of the stream, which clients look for.
 */
import { failureOf } from '../http/api-error.js';
import { jsonLines, type Reply } from '../http/route.js';
import type { Log } from '../log.js';

export interface ProgressLine {
  readonly status?: string;
  readonly id?: string;
  readonly stream?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
  readonly progress?: string;
  readonly aux?: unknown;
  readonly error?: string;
  readonly errorDetail?: { readonly message: string };
}

export type Emit = (line: ProgressLine) => void;

/** Lines that only say how far something is; a client that reads slowly does not get all of them. */
const isPassing = ({ progressDetail, aux }: ProgressLine): boolean =>
  progressDetail?.current !== undefined && aux === undefined;
const MOST_WAITING = 256;

class Lines {
  readonly #waiting: ProgressLine[] = [];
  #wake = (): void => undefined;
  #ended = false;

  readonly push: Emit = (line) => {
    if (this.#waiting.length >= MOST_WAITING && isPassing(line)) return;
    this.#waiting.push(line);
    this.#wake();
  };

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  async *read(): AsyncGenerator<ProgressLine> {
    for (;;) {
      const line = this.#waiting.shift();
      if (line !== undefined) yield line;
      else if (this.#ended) return;
      else await this.changed();
    }
  }
}

/** Throws what run throws before its first line. */
export async function progressReply(log: Log, run: (emit: Emit) => Promise<void>): Promise<Reply> {
  const lines = new Lines();
  const first = lines.changed();
  const done = run(lines.push);
  await Promise.race([first, done]);
  const settled = done.catch((error: unknown) => lines.push(errorLine(error, log))).finally(() => lines.end());
  if (lines.isEmpty) await settled;
  return jsonLines(lines.read());
}

function errorLine(error: unknown, log: Log): ProgressLine {
  const failure = failureOf(error);
  if (failure === undefined) log.error('a stream of progress failed in a way that nobody foresaw', error);
  const message = failure?.message ?? String(error);
  return { errorDetail: { message }, error: message };
}

const WIDTH = 50;
const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** "[=====>     ]  1.5kB/3kB", for clients that print what they get. */
export function progressBar(current: number, total: number): string {
  const part = total > 0 ? Math.min(1, current / total) : 0;
  const filled = Math.floor(part * WIDTH);
  const bar = filled === WIDTH ? '='.repeat(WIDTH) : `${'='.repeat(filled)}>`.padEnd(WIDTH);
  return `[${bar}]  ${size(current)}/${size(total)}`;
}

function size(bytes: number): string {
  let value = bytes;
  let unit = 0;
  for (; value >= 1000 && unit < UNITS.length - 1; unit++) value /= 1000;
  return `${Number(value.toPrecision(4))}${UNITS[unit]}`;
}

export const working = (id: string, status: string, current: number, total: number): ProgressLine => ({
  status,
  progressDetail: { current, total },
  progress: progressBar(current, total),
  id,
});

export const done = (id: string, status: string): ProgressLine => ({ status, progressDetail: {}, id });
