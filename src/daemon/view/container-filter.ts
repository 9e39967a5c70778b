/**
 * Which containers GET /containers/json lists: all its filters, and which of them imply --all.
 */
import { safeRegExp } from '../../util/safe-regexp.js';
import type { ContainerRecord } from '../container/record.js';
import type { Filters } from '../filters.js';
import { badRequest } from '../http/api-error.js';

export const CONTAINER_FILTERS = [
  'ancestor',
  'before',
  'exited',
  'expose',
  'health',
  'id',
  'is-task',
  'isolation',
  'label',
  'name',
  'network',
  'publish',
  'since',
  'status',
  'volume',
] as const;

const STATUSES = ['created', 'restarting', 'running', 'removing', 'paused', 'exited', 'dead'];
const HEALTHS = ['none', 'starting', 'healthy', 'unhealthy'];

export interface FilterSources {
  /** Throws ApiError 404. */
  find(text: string): ContainerRecord;
  /** Whether a container's image is the named one, or stands on it. */
  isOfImage(record: ContainerRecord, name: string): boolean;
  /** "8080/tcp" for each port of the host that leads into it. */
  published(id: string): readonly string[];
}

type Fits = (record: ContainerRecord) => boolean;

/** Throws ApiError 400, 404. */
export function containerFilter(filters: Filters, sources: FilterSources): Fits {
  checkWords(filters, 'status', STATUSES);
  checkWords(filters, 'health', HEALTHS);
  const rules: readonly Fits[] = [
    ({ config }) => filters.labels(config.Labels ?? {}),
    ({ state }) => filters.any('status', (status) => state.status === status),
    ({ state }) => filters.any('health', (health) => (state.health?.status ?? 'none') === health),
    ...matching(filters, 'id', ({ id }) => [id]),
    ...matching(filters, 'name', ({ name }) => [name, `/${name}`]),
    ...exitCodes(filters),
    ...ports(filters, sources),
    ...order(filters, sources),
    (record) => filters.any('ancestor', (name) => sources.isOfImage(record, name)),
    (record) => filters.any('volume', (name) => usesVolume(record, name)),
    (record) => filters.any('network', (name) => isInNetwork(record, name)),
    () => filters.boolean('is-task') !== true, // swarm's
    () => filters.any('isolation', (name) => name === '' || name === 'default'),
  ];
  return (record) => rules.every((fits) => fits(record));
}

function checkWords(filters: Filters, key: string, words: readonly string[]): void {
  for (const value of filters.get(key))
    if (!words.includes(value))
      throw badRequest(`invalid filter '${key}=${value.slice(0, 64)}': it is one of ${words.join(', ')}`);
}

function matching(filters: Filters, key: string, texts: (record: ContainerRecord) => readonly string[]): Fits[] {
  const values = filters.get(key);
  if (values.length === 0) return [];
  const expressions = values.map((value) => {
    const expression = safeRegExp(value);
    if (expression === undefined)
      throw badRequest(`invalid filter '${key}=${value.slice(0, 64)}': it is no regular expression`);
    return expression;
  });
  return [(record) => expressions.some((one) => texts(record).some((text) => one.test(text)))];
}

function exitCodes(filters: Filters): Fits[] {
  const codes = filters.get('exited').map((value) => {
    if (/^-?\d{1,9}$/.test(value)) return Number(value);
    throw badRequest(`invalid filter 'exited=${value.slice(0, 64)}': it is the exit status of a program`);
  });
  if (codes.length === 0) return [];
  return [({ state }) => state.pid === 0 && state.status !== 'created' && codes.includes(state.exitCode)];
}

function ports(filters: Filters, { published }: FilterSources): Fits[] {
  const publish = filters.get('publish').map((value) => portRange('publish', value));
  const expose = filters.get('expose').map((value) => portRange('expose', value));
  return [
    ({ id }) => publish.length === 0 || hasPort(published(id), publish),
    ({ config }) => expose.length === 0 || hasPort(Object.keys(config.ExposedPorts ?? {}), expose),
  ];
}

interface PortRange {
  readonly first: number;
  readonly last: number;
  readonly protocol: string;
}

/** "80", "80/udp", "8000-8010/tcp" */
function portRange(key: string, text: string): PortRange {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/.exec(text);
  const [first, last] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])];
  if (match !== null && first > 0 && first <= last && last <= 65_535)
    return { first, last, protocol: match[3] ?? 'tcp' };
  throw badRequest(`invalid filter '${key}=${text.slice(0, 64)}': it is PORT[-PORT][/PROTOCOL]`);
}

const hasPort = (ports: readonly string[], ranges: readonly PortRange[]): boolean =>
  ports.some((port) => {
    const [number = '', protocol = 'tcp'] = port.split('/');
    return ranges.some(
      (range) => range.protocol === protocol && Number(number) >= range.first && Number(number) <= range.last,
    );
  });

function order(filters: Filters, { find }: FilterSources): Fits[] {
  const before = filters.get('before').map((name) => find(name).created);
  const since = filters.get('since').map((name) => find(name).created);
  return [
    ({ created }) => before.every((limit) => created < limit),
    ({ created }) => since.every((limit) => created > limit),
  ];
}

const usesVolume = ({ mounts }: ContainerRecord, name: string): boolean =>
  mounts.some(({ Name, Source, Destination }) => Name === name || Source === name || Destination === name);

const isInNetwork = ({ networks, endpoints }: ContainerRecord, name: string): boolean =>
  [...Object.entries(networks), ...Object.entries(endpoints)].some(
    ([network, { NetworkID }]) => network === name || (name !== '' && NetworkID?.startsWith(name) === true),
  );
