/**
 * HostFacts of another machine, as its `tsrun features --host` wrote them. The file has to have the shape of what this
 * build finds out about its own machine: a fact that is missing would be decided on as if it were "no".
 */
import { basename } from 'node:path';
import { SpecError, type SpecIssue } from '../errors.js';
import type { HostFacts } from '../host/facts.js';
import { issue } from '../spec/issues.js';
import { MAX_BYTES, readDocument } from '../spec/read.js';
import { readHostFile } from '../util/file.js';
import { append, asPointer, type JsonPointer } from '../util/pointer.js';
import { hostFacts } from './runtime.js';

const HINT = 'write it with "tsrun features --host" of this version on that machine';

/** What a machine may not have at all. */
const NULLABLE: readonly string[] = ['/cgroup/mount', '/systemd', '/systemd/version', '/seccomp/libseccomp'];

type Fields = { readonly [name: string]: unknown };

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'list';
  return typeof value === 'bigint' ? 'number' : typeof value;
}

/** Maps have keys of their own; one whose values here are all of 64 bits has such values there too. */
function isWideMap(model: Fields): boolean {
  const values = Object.values(model);
  return values.length > 0 && values.every((value) => typeof value === 'bigint');
}

/** value with bigint where model has it; adds to issues what has not the model's shape. */
function shaped(value: unknown, model: unknown, path: JsonPointer, issues: SpecIssue[]): unknown {
  if (NULLABLE.includes(path) && (value === null || model === null)) return value;
  if (kindOf(value) !== kindOf(model)) {
    issues.push(issue('HOST_FACTS', path, `must be a ${kindOf(model)}, as on this machine`, { value, hint: HINT }));
    return value;
  }
  if (typeof model === 'bigint') return BigInt(value as number | bigint);
  if (!isObject(model) || !isObject(value)) return value;
  const wide = isWideMap(model);
  const missing = wide ? [] : Object.keys(model).filter((key) => !Object.hasOwn(value, key) && !isMapEntry(path));
  for (const key of missing) issues.push(issue('HOST_FACTS', append(path, key), 'is missing', { hint: HINT }));
  const members = Object.entries(value).map(([key, item]) => {
    const known = wide ? 0n : model[key];
    return [key, known === undefined ? item : shaped(item, known, append(path, key), issues)];
  });
  return Object.fromEntries(members);
}

/** Objects whose keys are names of the machine, not of facts. */
const MAPS: readonly string[] = ['/cgroup/v1', '/hardLimits', '/systemd/drivers/block', '/systemd/drivers/char'];
const isMapEntry = (path: string): boolean => MAPS.includes(path);

/** path: absolute. Throws SpecError for a file that holds no facts. */
export function readFactsFile(path: string): HostFacts {
  const name = basename(path);
  const document = readDocument(readHostFile(path, '--host', { max: MAX_BYTES }), name);
  const issues: SpecIssue[] = [];
  const facts = shaped(document.value, hostFacts(), asPointer(''), issues);
  if (issues.length > 0) throw new SpecError(issues, name);
  return facts as HostFacts;
}
