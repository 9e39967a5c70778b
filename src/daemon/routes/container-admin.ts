/** What changes a container, or looks at it, without starting or stopping it: top, update, rename. */

import type { LimitSupport } from '../../host/limits.js';
import { filterPs } from '../../runtime/ps.js';
import { readContainerUpdate } from '../api/read.js';
import { SHAPES } from '../api/shapes.gen.js';
import type { ContainerUpdate, HostConfig } from '../api/types.gen.js';
import { adaptLimits } from '../container/options/limits.js';
import { checkName } from '../container/options/name.js';
import { refuse } from '../container/options/refuse.js';
import type { ContainerRecord } from '../container/record.js';
import type { EventBus } from '../events.js';
import { badRequest, conflict } from '../http/api-error.js';
import { type ApiRequest, empty, json, type Reply, type Route } from '../http/route.js';

export interface ContainerAdminDeps {
  readonly events: EventBus;
  readonly limits: LimitSupport;
  readonly containers: {
    /** Throws ApiError 404. */
    find(name: string): ContainerRecord;
    save(record: ContainerRecord): Promise<void>;
    /** Throws ApiError 409. */
    rename(record: ContainerRecord, name: string): Promise<void>;
  };
  /** While the action lasts nobody starts, stops or removes the container. */
  exclusively<T>(record: ContainerRecord, action: () => Promise<T>): Promise<T>;
  /** Processes of a container, as the host numbers them. */
  pids(record: ContainerRecord): Promise<readonly number[]>;
  /** The host's ps(1) with these options. */
  ps(options: readonly string[]): Promise<string>;
  /** Of a running container. */
  updateLimits(record: ContainerRecord, limits: HostConfig): Promise<void>;
  /** DNS follows a name. */
  renamed(record: ContainerRecord): Promise<void>;
}

export function containerAdminRoutes(deps: ContainerAdminDeps): readonly Route[] {
  return [
    { method: 'GET', path: '/containers/{id}/top', handle: (request) => top(deps, request) },
    { method: 'POST', path: '/containers/{id}/update', handle: (request) => update(deps, request) },
    { method: 'POST', path: '/containers/{id}/rename', handle: (request) => rename(deps, request) },
  ];
}

function publish(
  { events }: ContainerAdminDeps,
  action: string,
  { id, name, config, image }: ContainerRecord,
  more: { readonly [name: string]: string } = {},
): void {
  events.publish('container', action, id, { ...config.Labels, image: image.reference, name, ...more });
}

/** The host's ps(1): never a program of the container (CVE-2022-1227). */
async function top(deps: ContainerAdminDeps, request: ApiRequest): Promise<Reply> {
  const record = deps.containers.find(request.param('id'));
  if (record.state.pid === 0) throw conflict(`container ${record.id} is not running`);
  const options = (request.query('ps_args') || '-ef').split(/\s+/).filter((word) => word !== '');
  // Options alone: a word of its own may name a file.
  const bad = options.find((word) => !/^[a-zA-Z0-9,=:%_-]+$/.test(word));
  if (bad !== undefined) throw badRequest(`ps_args: ${JSON.stringify(bad)} is no option of ps(1)`);
  const [header = '', ...rows] = filterPs(await deps.ps(options), new Set(await deps.pids(record)))
    .trimEnd()
    .split('\n');
  const titles = header.trim().split(/\s+/);
  const processes = rows.map((row) => {
    const words = row.trim().split(/\s+/);
    return [...words.slice(0, titles.length - 1), words.slice(titles.length - 1).join(' ')];
  });
  publish(deps, 'top', record);
  return json(200, { Titles: titles, Processes: processes });
}

async function rename(deps: ContainerAdminDeps, request: ApiRequest): Promise<Reply> {
  const record = deps.containers.find(request.param('id'));
  const asked = request.query('name') ?? '';
  if (asked === '') throw badRequest('Neither old nor new names may be empty');
  const name = checkName(asked);
  if (name === record.name) throw badRequest('Renaming a container with the same name as its current name');
  const oldName = `/${record.name}`;
  await deps.exclusively(record, () => deps.containers.rename(record, name));
  await deps.renamed(record);
  publish(deps, 'rename', record, { oldName });
  return empty(204);
}

/** Zero is "as it is", and a limit is taken away with -1; of processes with zero and below, and before API 1.40 not at all. */
function askedLimits(asked: ContainerUpdate, request: ApiRequest): HostConfig {
  const known = Object.keys(SHAPES['ContainerUpdate'] ?? {});
  const { PidsLimit, ...others } = asked;
  const named = Object.entries(others).filter(([name, value]) => known.includes(name) && value !== 0 && value !== '');
  const pids =
    request.atLeast('1.40') && typeof PidsLimit === 'number' ? { PidsLimit: Math.max(PidsLimit, 0) || -1 } : {};
  return { ...Object.fromEntries(named), ...pids };
}

async function update(deps: ContainerAdminDeps, request: ApiRequest): Promise<Reply> {
  const record = deps.containers.find(request.param('id'));
  const { RestartPolicy, ...asked } = await request.body(readContainerUpdate);
  checkPolicy(record.hostConfig, RestartPolicy);
  const { limits, warnings } = adaptLimits(askedLimits(asked, request), deps.limits, true);
  await deps.exclusively(record, async () => {
    checkTogether(record.hostConfig, limits);
    const policy = RestartPolicy?.Name ? { RestartPolicy } : {};
    const unlimited = limits.PidsLimit === -1 ? { PidsLimit: 0 } : {};
    const before = record.hostConfig;
    record.hostConfig = { ...before, ...limits, ...unlimited, ...policy };
    await applied(deps, record, before, limits);
  });
  publish(deps, 'update', record);
  return json(200, { Warnings: warnings });
}

/** Said before it is done, so that whoever comes after a killed daemon knows what is to be. */
async function applied(
  { containers, updateLimits }: ContainerAdminDeps,
  record: ContainerRecord,
  before: HostConfig,
  limits: HostConfig,
): Promise<void> {
  if (record.state.pid > 0 && Object.keys(limits).length > 0) {
    record.updating = limits;
    try {
      await containers.save(record);
      await updateLimits(record, limits);
    } catch (error) {
      record.hostConfig = before;
      delete record.updating;
      await containers.save(record).catch(() => undefined); // why they are refused is what counts
      throw error;
    }
    delete record.updating;
    // They are applied; on the disk they are about to be, which a daemon that begins does once more.
    await containers.save(record).catch(() => undefined);
  } else await containers.save(record);
}

function checkPolicy({ AutoRemove }: HostConfig, policy: HostConfig['RestartPolicy']): void {
  const { Name = '', MaximumRetryCount = 0 } = policy ?? {};
  if (AutoRemove === true && Name !== '' && Name !== 'no')
    throw conflict('Restart policy cannot be updated because AutoRemove is enabled for the container');
  if (MaximumRetryCount < 0) throw refuse('invalid restart policy: maximum retry count cannot be negative');
  if (MaximumRetryCount > 0 && Name !== 'on-failure')
    throw refuse("invalid restart policy: maximum retry count can only be used with 'on-failure'");
}

function checkTogether(own: HostConfig, limits: HostConfig): void {
  const { Memory = own.Memory ?? 0, MemorySwap = own.MemorySwap ?? 0 } = limits;
  if (limits.Memory !== undefined && MemorySwap > 0 && Memory > MemorySwap)
    throw refuse(
      'Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time',
    );
  const without = (what: string, other: string) =>
    refuse(`Conflicting options: ${what} cannot be updated as ${other} has already been set`);
  for (const [field, name] of [
    ['CpuPeriod', 'CPU Period'],
    ['CpuQuota', 'CPU Quota'],
  ] as const) {
    if (limits.NanoCpus !== undefined && (own[field] ?? 0) > 0) throw without('Nano CPUs', name);
    if (limits[field] !== undefined && (own.NanoCpus ?? 0) > 0) throw without(name, 'NanoCPUs');
  }
}
