/**
 * Log lines as logrus writes them, because engines read them: containerd takes the last line with level "error" of
 * `--log FILE --log-format json`, so a message is always one line.
 *
 * Without --log, warnings go to stderr as log lines and errors as plain sentences for people; with --log FILE everything
 * goes there and errors to stderr as well.
 */
import { openSync } from 'node:fs';
import { UsageError } from '../errors.js';
import { describeSystemError } from '../util/errno.js';
import { escapeControls, quote } from '../util/quote.js';
import { rfc3339 } from '../util/rfc3339.js';
import { printError, writeAll } from './output.js';

export type Level = 'debug' | 'warning' | 'error';
export type LogFormat = 'text' | 'json';

export interface LogSettings {
  readonly path: string | undefined;
  readonly format: LogFormat;
  readonly debug: boolean;
}

export interface ErrorReport {
  /** Sentences for people, one line each. */
  readonly lines: readonly string[];
  /** The same as one line. */
  readonly summary: string;
}

export interface Log {
  debug(message: string): void;
  warning(message: string): void;
  error(report: ErrorReport): void;
}

const NEEDS_NO_QUOTES = /^[A-Za-z0-9._/@^+-]+$/;

/** Go's %q for what logrus would quote. */
function textValue(text: string): string {
  if (NEEDS_NO_QUOTES.test(text)) return text;
  return `"${escapeControls(text.replace(/["\\]/g, '\\$&'))}"`;
}

export function formatLine(format: LogFormat, level: Level, message: string, time: Date): string {
  if (format === 'json') return `${JSON.stringify({ level, msg: message, time: rfc3339(time) })}\n`;
  return `time=${textValue(rfc3339(time))} level=${level} msg=${textValue(message)}\n`;
}

export function parseLogFormat(text: string | undefined): LogFormat {
  if (text === undefined || text === 'text') return 'text';
  if (text === 'json') return 'json';
  throw new UsageError(`--log-format: unknown log-format ${quote(text, 64)}`, '--log-format', "it is 'text' or 'json'");
}

function openLogFile(path: string): number {
  try {
    return openSync(path, 'as', 0o644);
  } catch (error) {
    throw new UsageError(`--log: ${quote(path)}: ${describeSystemError(error)}`, '--log');
  }
}

/** A full disk must not turn a container that runs into a failure: the line goes to stderr instead. */
function tryWrite(fd: number, line: string): boolean {
  try {
    writeAll(fd, line);
    return true;
  } catch {
    return false;
  }
}

/** Throws UsageError when the file cannot be opened. */
export function openLog(settings: LogSettings): Log {
  const fd = settings.path === undefined ? undefined : openLogFile(settings.path);
  const write = (level: Level, message: string): void => {
    const line = formatLine(settings.format, level, message, new Date());
    if (fd === undefined || !tryWrite(fd, line)) printError(line);
  };
  return {
    debug: (message) => {
      if (settings.debug) write('debug', message);
    },
    warning: (message) => write('warning', message),
    error: ({ lines, summary }) => {
      const plainly = fd !== undefined || settings.format === 'text';
      if (fd !== undefined || settings.format === 'json') write('error', summary);
      if (plainly) printError(lines.map((line) => `${line}\n`).join(''));
    },
  };
}
