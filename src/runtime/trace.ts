/** --trace FILE: opened before anything is done, written when the command ends or becomes the supervisor. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { UsageError } from '../errors.js';
import { Trace } from '../exec/trace.js';
import { describeSystemError } from '../util/errno.js';
import { quote } from '../util/quote.js';
import type { Runtime } from './runtime.js';

export interface Tracer {
  readonly trace: Trace;
  /** Writes what was traced so far; nothing is traced afterwards, and a second call does nothing. */
  finish(): void;
}

function create(path: string): number {
  try {
    return openSync(path, 'w', 0o644);
  } catch (error) {
    throw new UsageError(`--trace: ${quote(path)}: ${describeSystemError(error)}`, '--trace');
  }
}

/** One event a line, so that the file can be looked at too. */
function format(trace: Trace): string {
  const lines = trace.events().map((event) => JSON.stringify(event));
  return `{"displayTimeUnit":"ms","traceEvents":[\n${lines.join(',\n')}\n]}\n`;
}

function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
}

/** path: absolute. Throws UsageError when the file cannot be made; one that is full is only warned of. */
export function openTracer(path: string, command: string, warn: Runtime['warn']): Tracer {
  let fd: number | undefined = create(path);
  const trace = new Trace(command);
  return {
    trace,
    finish: () => {
      if (fd === undefined) return;
      try {
        writeAll(fd, format(trace));
      } catch (error) {
        warn(`--trace: ${quote(path)}: ${describeSystemError(error)}`);
      }
      closeSync(fd);
      fd = undefined;
    },
  };
}
