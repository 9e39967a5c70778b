/** Reads the TAP of outside suites, any version: the points of the outermost level. Pure. */
import type { Result } from '../harness/model.js';
import { type Ended, foreign } from './adapter.js';

const POINT = /^(ok|not ok)\b\s*(\d+)?\s*(?:-\s*)?(.*)$/;
const DIRECTIVE = /\s*#\s*(skip|todo)\b[: ]*(.*)$/i;
/** What tells a diagnostic from the next point. */
const DETAIL = /^(#|\s)/;

interface Point {
  readonly name: string;
  readonly status: Result['status'];
  readonly detail: string;
}

export function readTap(text: string): Point[] {
  const lines = text.split('\n');
  return lines.flatMap((line, index): Point[] => {
    const [, word, , rest = ''] = POINT.exec(line) ?? [];
    if (word === undefined) return [];
    const [, directive, reason = ''] = DIRECTIVE.exec(rest) ?? [];
    const name = rest.replace(DIRECTIVE, '').trim();
    if (directive !== undefined) return [{ name: name || reason, status: 'skipped', detail: reason || directive }];
    return [
      {
        name,
        status: word === 'ok' ? ('passed' as const) : ('failed' as const),
        detail: word === 'ok' ? '' : detailAfter(lines, index),
      },
    ];
  });
}

/** Both ends: where it failed is said first, and what it found in the end. */
const bothEnds = (text: string): string => (text.length <= 1000 ? text : `${text.slice(0, 400)} … ${text.slice(-600)}`);

function detailAfter(lines: readonly string[], index: number): string {
  const end = lines.findIndex((line, at) => at > index && !DETAIL.test(line));
  const detail = lines
    .slice(index + 1, end < 0 ? undefined : end)
    .map((line) => line.replace(/^#\s?/, '').trim())
    .filter((line) => !/^(---|\.\.\.|[{}])$/.test(line))
    .join(' ');
  return bothEnds(detail);
}

/** The points of a program, and its end as one more where that tells of a failure that no point does. */
export function resultsOf(program: string, ended: Ended): Result[] {
  const points = readTap(ended.stdout);
  const names = new Map<string, number>();
  const results = points.map(({ name, status, detail }) => {
    const times = (names.get(name) ?? 0) + 1;
    names.set(name, times);
    const seen = status === 'failed' && detail === '' ? ended.stderr.trim().slice(-300) : detail;
    return foreign(`${program}: ${name}${times > 1 ? ` (${times})` : ''}`, status, seen);
  });
  const failed = results.some(({ status }) => status === 'failed');
  const problem = endProblem(ended, points.length, failed);
  return problem === undefined ? results : [...results, foreign(`${program}: ends`, 'failed', problem)];
}

function endProblem({ status, stdout, stderr, timedOut }: Ended, points: number, failed: boolean): string | undefined {
  if (timedOut) return 'it did not end in time';
  const [, first, last] = /^(\d+)\.\.(\d+)/m.exec(stdout) ?? [];
  const planned = last === undefined ? undefined : Number(last) - Number(first) + 1;
  const tail = stderr.trim().slice(-400);
  if (planned !== undefined && planned > points) return `${points} of ${planned} tests were run: ${tail}`;
  if (points === 0 && planned !== 0) return `no test was run (status ${status}): ${tail}`;
  return status === 0 || failed ? undefined : `status ${status}: ${tail}`;
}
