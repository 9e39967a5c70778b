/** `tsrun top`: a live view of all containers in a terminal, or one look at them. */

import { setTimeout as sleep } from 'node:timers/promises';
import { isatty } from 'node:tty';
import type { Sampler, TopEntry } from '../../runtime/top.js';
import { stringifyJson } from '../../util/json-write.js';
import { defineCommand } from '../command.js';
import { type Format, readTableOrJson } from '../format.js';
import { readInterval } from '../interval.js';
import { HELP_OPTION } from '../options.js';
import { print } from '../output.js';
import { USAGE_HEADER, usageCells, usageRow } from '../usage-table.js';

/** Between the two looks that a share of the CPU takes. */
const FIRST_LOOK_MS = 300;
const LEAST_ID_WIDTH = 12;
const STATUS_WIDTH = 8;

/** The header and a row for each. */
export function topLines(entries: readonly TopEntry[]): string[] {
  const lead = [Math.max(LEAST_ID_WIDTH, ...entries.map(({ id }) => id.length)), STATUS_WIDTH];
  const rows = entries.map(({ id, status, usage }) => {
    return usageRow([id, status, ...(usage === undefined ? [] : usageCells(usage))], lead);
  });
  return [usageRow(['NAME', 'STATUS', ...USAGE_HEADER], lead), ...rows];
}

export function topText(entries: readonly TopEntry[], format: Format): string {
  if (format === 'table')
    return topLines(entries)
      .map((line) => `${line}\n`)
      .join('');
  const flat = entries.map(({ usage, ...entry }) => ({ ...entry, ...usage }));
  return `${stringifyJson(flat)}\n`;
}

const SCREEN = {
  enter: '\x1b[?1049h\x1b[?25l',
  leave: '\x1b[?25h\x1b[?1049l',
  home: '\x1b[H',
  clear: '\x1b[K',
  below: '\x1b[J',
};

function draw(entries: readonly TopEntry[]): void {
  // A terminal that nobody told its size, such as a serial line, says 0.
  const [rows, columns] = [process.stdout.rows || 24, process.stdout.columns || 80];
  const count = `${entries.length} container${entries.length === 1 ? '' : 's'}, ${new Date().toTimeString().slice(0, 8)}; q quits`;
  const lines = [count, '', ...topLines(entries)].slice(0, Math.max(1, rows - 1));
  const text = lines.map((line) => `${line.slice(0, columns)}${SCREEN.clear}\n`).join('');
  print(SCREEN.home + text + SCREEN.below);
}

/** Until q or Ctrl-C: in raw mode the terminal makes no signal of it. */
async function live(sampler: Sampler, intervalMs: number): Promise<void> {
  const quit = new AbortController();
  const onKey = (keys: Buffer) => {
    if (/[qQ\x03\x04]/.test(keys.toString('latin1'))) quit.abort();
  };
  process.stdin.setRawMode(true).on('data', onKey).resume();
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT'] as const) process.once(signal, () => quit.abort());
  print(SCREEN.enter);
  try {
    for (let pause = FIRST_LOOK_MS; !quit.signal.aborted; pause = intervalMs) {
      draw(await sampler.look());
      await sleep(pause, undefined, { signal: quit.signal }).catch(() => undefined);
    }
  } finally {
    print(SCREEN.leave);
    process.stdin.setRawMode(false).pause();
  }
}

export const top = defineCommand({
  name: 'top',
  summary: 'watch what all containers use',
  usage: '',
  description: [
    'In a terminal: a view of all containers below the root directory that is drawn anew every interval, until q.',
    'Elsewhere, and with --once or --format json: one look at them.',
  ],
  args: [0, 0],
  options: {
    interval: { kind: 'text', help: 'time between two looks', shownDefault: '2s' },
    once: { kind: 'flag', help: 'look once and end' },
    format: { kind: 'text', short: 'f', help: "'table' or 'json'", shownDefault: 'table' },
    ...HELP_OPTION,
  },
  async run({ options, runtime }) {
    const format = readTableOrJson(options.format);
    const intervalMs = readInterval(options.interval ?? '2s');
    const { Sampler } = await import('../../runtime/top.js');
    const sampler = new Sampler(runtime);
    if (!options.once && format === 'table' && isatty(0) && isatty(1)) {
      await live(sampler, intervalMs);
      return 0;
    }
    await sampler.look();
    await sleep(FIRST_LOOK_MS);
    print(topText(await sampler.look(), format));
    return 0;
  },
});
