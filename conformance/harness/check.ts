/** What checks are made of. Pure; each throws Unmet. */
import { isDeepStrictEqual } from 'node:util';
import { type Answer, type Observation, type Seen, Unmet } from './model.js';

export function must(condition: boolean, what: string): void {
  if (!condition) throw new Unmet(what);
}

export function same(actual: unknown, expected: unknown, what: string): void {
  if (!isDeepStrictEqual(actual, expected))
    throw new Unmet(`${what} is ${JSON.stringify(actual)}, expected ${JSON.stringify(expected)}`);
}

/** The members of `wanted` are in `answer`. */
export function has(answer: Answer, wanted: Answer, what: string): void {
  for (const [name, value] of Object.entries(wanted)) same(answer[name], value, `${name} (${what})`);
}

export function textOf(answer: Answer | undefined, what = 'the file'): string {
  if (typeof answer?.['text'] !== 'string') throw new Unmet(`${what} could not be read: ${JSON.stringify(answer)}`);
  return answer['text'];
}

export function listOf(answer: Answer | undefined, name: string): readonly unknown[] {
  const value = answer?.[name];
  if (!Array.isArray(value)) throw new Unmet(`${name} is missing in ${JSON.stringify(answer)}`);
  return value;
}

/** It is refused by the kernel, with one of these errors. */
export function refusedWith(answer: Answer, errors: readonly string[], what: string): void {
  must(errors.includes(String(answer['errno'])), `${what}: ${JSON.stringify(answer)}, expected ${errors.join(' or ')}`);
}

export interface MountEntry {
  readonly root: string;
  readonly point: string;
  readonly options: ReadonlySet<string>;
  readonly propagation: readonly string[];
  readonly type: string;
  readonly source: string;
  readonly superOptions: ReadonlySet<string>;
}

/** proc_pid_mountinfo(5) */
export function parseMountinfo(text: string): readonly MountEntry[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [own = '', rest = ''] = line.split(' - ');
      const [, , , root = '', point = '', options = '', ...propagation] = own.split(' ');
      const [type = '', source = '', superOptions = ''] = rest.split(' ');
      return {
        ...{ root, point, type, source, propagation },
        ...{ options: new Set(options.split(',')), superOptions: new Set(superOptions.split(',')) },
      };
    });
}

export const MOUNTINFO = 'text|/proc/self/mountinfo';
export const STATUS = 'text|/proc/self/status';

/** The topmost mount at a point. */
export function mountAt(answer: Answer | undefined, point: string): MountEntry {
  const found = parseMountinfo(textOf(answer, 'mountinfo')).filter((mount) => mount.point === point);
  const top = found.at(-1);
  if (top === undefined) throw new Unmet(`nothing is mounted at ${point}`);
  return top;
}

/** An observation about the flags of a mount. */
export function flags(point: string, present: readonly string[], absent: readonly string[] = []) {
  const check = ({ answer }: Seen): void => {
    const { options, superOptions } = mountAt(answer, point);
    const all = new Set([...options, ...superOptions]);
    const shown = [...all].join(',');
    for (const flag of present) must(all.has(flag), `${point} is mounted without ${flag}: ${shown}`);
    for (const flag of absent) must(!all.has(flag), `${point} is mounted with ${flag}: ${shown}`);
  };
  return { ask: MOUNTINFO, check } satisfies Partial<Observation>;
}

/** A line of /proc/PID/status. */
export function statusLine(answer: Answer, name: string): string {
  const line = textOf(answer, 'status')
    .split('\n')
    .find((each) => each.startsWith(`${name}:`));
  if (line === undefined) throw new Unmet(`no ${name} in status`);
  return line.slice(name.length + 1).trim();
}
