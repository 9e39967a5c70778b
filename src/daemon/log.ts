/**
 * The daemon's log: lines as logrus writes them, on stderr, where systemd and shells look for them. One line per event,
 * whatever a client wrote into it.
 */
import { writeSync } from 'node:fs';
import { escapeControls } from '../util/quote.js';

export const LEVELS = ['debug', 'info', 'warn', 'error', 'fatal'] as const;
export type Level = (typeof LEVELS)[number];
export type LogFormat = 'text' | 'json';
export type Fields = { readonly [name: string]: string | number | boolean | undefined };

export interface Log {
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  /** error: what was thrown; its stack is logged with level debug. */
  error(message: string, error?: unknown, fields?: Fields): void;
}

export interface LogSettings {
  level: Level;
  readonly format: LogFormat;
}

/** settings.level may change while it is in use. write: for tests. */
export function openLog(settings: LogSettings, write: (line: string) => void = toStderr): Log {
  const line = (level: Level, message: string, fields: Fields = {}): void => {
    if (LEVELS.indexOf(level) < LEVELS.indexOf(settings.level)) return;
    write(formatLine(settings.format, level, message, new Date(), fields));
  };
  return {
    debug: (message, fields) => line('debug', message, fields),
    info: (message, fields) => line('info', message, fields),
    warn: (message, fields) => line('warn', message, fields),
    error: (message, error, fields) => {
      line('error', message, error === undefined ? fields : { ...fields, error: String(error) });
      if (error instanceof Error && error.stack !== undefined) line('debug', error.stack);
    },
  };
}

export function formatLine(format: LogFormat, level: Level, message: string, time: Date, fields: Fields): string {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  if (format === 'json')
    return `${JSON.stringify({ level, msg: message, time: time.toISOString(), ...Object.fromEntries(given) })}\n`;
  const words = [['time', time.toISOString()], ['level', level], ['msg', message], ...given];
  return `${words.map(([name, value]) => `${name}=${textValue(String(value))}`).join(' ')}\n`;
}

const textValue = (text: string): string =>
  /^[A-Za-z0-9._/@^+:-]+$/.test(text) ? text : `"${escapeControls(text.replace(/["\\]/g, '\\$&'))}"`;

/** A pipe that is full or closed must not stop the daemon. */
function toStderr(line: string): void {
  try {
    writeSync(2, line);
  } catch {
    // nobody can be told
  }
}
