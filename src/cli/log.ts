/**
 * Log lines as logrus writes them, because engines read them: containerd takes the last line with level "error" of
 * `--log FILE --log-format json`, so a message is always one line.
 *
 * Without --log, warnings go to stderr as log lines and errors as plain sentences for people; with --log FILE everything
 * goes there and errors to stderr as well. --error-format json makes one JSON object of whatever goes to stderr.
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
  /** How errors, and warnings without a log file, look on stderr. */
  readonly errorFormat: LogFormat;
  readonly debug: boolean;
}

/** What programs read beside the message: code, path, errno … */
export type Fields = { readonly [name: string]: unknown };

export interface ErrorReport {
  /** Sentences for people, one line each. */
  readonly lines: readonly string[];
  /** The same as one line. */
  readonly summary: string;
  /** The whole error for programs: code, message and what else is known of it. */
  readonly fields: Fields;
}

export interface Log {
  debug(message: string): void;
  warning(message: string, fields?: Fields): void;
  error(report: ErrorReport): void;
}

const NEEDS_NO_QUOTES = /^[A-Za-z0-9._/@^+-]+$/;

/** Go's %q for what logrus would quote. */
function textValue(text: string): string {
  if (NEEDS_NO_QUOTES.test(text)) return text;
  return `"${escapeControls(text.replace(/["\\]/g, '\\$&'))}"`;
}

export function formatLine(format: LogFormat, level: Level, message: string, time: Date, fields: Fields = {}): string {
  if (format === 'json') return `${JSON.stringify({ level, msg: message, time: rfc3339(time), ...fields })}\n`;
  return `time=${textValue(rfc3339(time))} level=${level} msg=${textValue(message)}\n`;
}

/** flag: --log-format or --error-format. */
export function parseFormat(text: string | undefined, flag: string): LogFormat {
  if (text === undefined || text === 'text') return 'text';
  if (text === 'json') return 'json';
  throw new UsageError(`${flag}: unknown ${flag.slice(2)} ${quote(text, 64)}`, flag, "it is 'text' or 'json'");
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

const lineOf = ({ lines }: ErrorReport): string => lines.map((line) => `${line}\n`).join('');

/** One object for a whole error, for a caller that reads stderr instead of a log. */
const objectOf = ({ fields }: ErrorReport): string => `${JSON.stringify({ level: 'error', ...fields })}\n`;

/** Throws UsageError when the file cannot be opened. */
export function openLog({ path, format, errorFormat, debug }: LogSettings): Log {
  const fd = path === undefined ? undefined : openLogFile(path);
  const stderrFormat = errorFormat === 'json' ? 'json' : format;
  const write = (level: Level, message: string, fields?: Fields): void => {
    const time = new Date();
    if (fd !== undefined && tryWrite(fd, formatLine(format, level, message, time, fields))) return;
    printError(formatLine(stderrFormat, level, message, time, fields));
  };
  return {
    debug: (message) => {
      if (debug) write('debug', message);
    },
    warning: (message, fields) => write('warning', message, fields),
    error: (report) => {
      const { message: _, ...fields } = report.fields;
      const asLine = fd === undefined && format === 'json' && errorFormat === 'text';
      if (fd !== undefined || asLine) write('error', report.summary, fields);
      if (!asLine) printError(errorFormat === 'json' ? objectOf(report) : lineOf(report));
    },
  };
}
