/**
 * Rows of what containers use, for people: events --format table, and top.
 *
 * Pure.
 */
import type { Usage } from '../runtime/usage.js';
import { humanBytes } from '../util/byte-size.js';

export const USAGE_HEADER = ['CPU %', 'CPU TIME', 'MEMORY / LIMIT', 'PIDS', 'IO READ / WRITTEN', 'NET IN / OUT', 'OOM'];
const WIDTHS = [7, 10, 20, 6, 19, 19, 4];

const pair = (first: bigint | undefined, second: bigint | undefined) =>
  first === undefined || second === undefined ? '-' : `${humanBytes(first)} / ${humanBytes(second)}`;

export function usageCells(usage: Usage): string[] {
  const limit = usage.memoryLimit === undefined ? '-' : humanBytes(usage.memoryLimit);
  return [
    usage.cpuPercent === undefined ? '-' : usage.cpuPercent.toFixed(1),
    `${(Number(usage.cpuTime) / 1e9).toFixed(2)}s`,
    `${humanBytes(usage.memory)} / ${limit}`,
    String(usage.pids),
    pair(usage.ioRead, usage.ioWritten),
    pair(usage.received, usage.sent),
    String(usage.oomKills),
  ];
}

/** Columns of fixed width, as rows come one by one. lead: cells before those of the usage, with their widths. */
export function usageRow(cells: readonly string[], lead: readonly number[] = []): string {
  const widths = [...lead, ...WIDTHS];
  return cells
    .map((cell, column) => cell.padEnd(widths[column] ?? 0))
    .join('  ')
    .trimEnd();
}
