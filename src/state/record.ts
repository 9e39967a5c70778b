/**
 * state.json: what was decided when a container was created, written once. Later verbs read it instead of the bundle, so
 * that edits of config.json have no effect on a container that exists (runtime-spec, runtime.md, lifecycle step 2).
 *
 * Pure. id and created are slots of the plan, which the executor fills in.
 */
import { stringifyJson } from '../util/json-write.js';
import { show } from '../util/show.js';

const VERSION = 1;

export interface RecordInput {
  readonly id: string;
  readonly created: string;
  readonly bundle: string;
  /** The validated config as it was at create. */
  readonly config: unknown;
  /** Made with the systemd cgroup driver. */
  readonly systemd: boolean;
}

/** The text of state.json. JSON escapes 0x01, so no value of the config can pass for a slot. */
export function buildRecord(input: RecordInput): string {
  const rest = stringifyJson({ bundle: input.bundle, systemd: input.systemd, config: input.config });
  return `{"version":${VERSION},"id":"${input.id}","created":"${input.created}",${rest.slice(1)}`;
}

export interface ContainerRecord {
  readonly id: string;
  readonly created: string;
  readonly bundle: string;
  /** Still to be validated: spec/validate.ts. */
  readonly config: unknown;
  readonly systemd: boolean;
}

/** The parts of a read record, or the reason why it is none. */
export function parseRecord(value: unknown): ContainerRecord | string {
  if (typeof value !== 'object' || value === null) return 'not a JSON object';
  const fields = value as { readonly [key: string]: unknown };
  if (fields['version'] !== VERSION) return `unknown version ${show(fields['version'])}`;
  const { id, created, bundle, config } = fields;
  if (typeof id !== 'string' || typeof created !== 'string' || typeof bundle !== 'string') return 'fields are missing';
  if (typeof config !== 'object' || config === null) return 'config is missing';
  return { id, created, bundle, config, systemd: fields['systemd'] === true };
}
