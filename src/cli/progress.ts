/**
 * How far the layers of an image are: on a terminal a line for each, written over as it goes on; otherwise a line when
 * the state of one changes.
 */
import { isatty } from 'node:tty';
import { humanSize } from '../util/human.js';
import { print, printError } from './output.js';

export interface Progress {
  /** bytes and size: of what is being transferred. */
  update(name: string, state: string, bytes: number, size: number): void;
  /** A line of its own, above those of the layers. */
  line(text: string): void;
  finish(): void;
}

interface Row {
  state: string;
  bytes: number;
  size: number;
}

const INTERVAL_MS = 100;
const BAR = 20;
const SILENT: Progress = { update: () => undefined, line: () => undefined, finish: () => undefined };

/** moving: the state in which the number of bytes grows. */
export function openProgress(quiet: boolean, moving: string, to: 'stdout' | 'stderr' = 'stdout'): Progress {
  if (quiet) return SILENT;
  const write = to === 'stdout' ? print : printError;
  return isatty(to === 'stdout' ? 1 : 2) ? terminal(moving, write) : plain(moving, write);
}

type Write = (text: string) => void;

function plain(moving: string, write: Write): Progress {
  const states = new Map<string, string>();
  return {
    update: (name, state) => {
      if (state === moving || states.get(name) === state) return;
      states.set(name, state);
      write(`${name}: ${state}\n`);
    },
    line: (text) => write(`${text}\n`),
    finish: () => undefined,
  };
}

function terminal(moving: string, write: Write): Progress {
  const rows = new Map<string, Row>();
  let drawn = 0;
  let last = 0;
  const draw = () => {
    const lines = [...rows].map(([name, row]) => `${name}: ${describe(row, moving)}\x1b[K\n`);
    write(`${drawn > 0 ? `\x1b[${drawn}A` : ''}${lines.join('')}`);
    drawn = rows.size;
    last = performance.now();
  };
  return {
    update: (name, state, bytes, size) => {
      const changed = rows.get(name)?.state !== state;
      rows.set(name, { state, bytes, size });
      if (changed || performance.now() - last > INTERVAL_MS) draw();
    },
    line: (text) => {
      write(`${drawn > 0 ? `\x1b[${drawn}A` : ''}${text}\x1b[K\n`);
      drawn = 0;
      if (rows.size > 0) draw();
    },
    finish: draw,
  };
}

function describe({ state, bytes, size }: Row, moving: string): string {
  if (state !== moving || size === 0) return state;
  const full = Math.min(BAR, Math.floor((bytes / size) * BAR));
  const bar = `${'='.repeat(full)}>`.slice(0, BAR).padEnd(BAR);
  return `${state} [${bar}] ${humanSize(bytes)}/${humanSize(size)}`;
}
