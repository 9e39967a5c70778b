/** POST /containers/prune: containers that do not run go, as far as the filters let them. */
import { parseRfc3339 } from '../../util/nanoseconds.js';
import type { ContainerRecord } from '../container/record.js';
import type { EventBus } from '../events.js';
import { badRequest } from '../http/api-error.js';
import { type ApiRequest, json, type Reply, type Route } from '../http/route.js';
import { parseTimestamp } from '../timestamp.js';
import { type ContainerViewDeps, containerSizes } from './containers.js';

export interface ContainerPruneDeps extends Pick<ContainerViewDeps, 'containers' | 'content' | 'snapshots'> {
  readonly events: EventBus;
  /** Throws ApiError 409 for one that runs by now. */
  readonly remove: (record: ContainerRecord) => Promise<void>;
}

const FILTERS = ['until', 'label', 'label!'];
const STOPPED: readonly ContainerRecord['state']['status'][] = ['created', 'exited', 'dead'];

export function containerPruneRoutes(deps: ContainerPruneDeps): readonly Route[] {
  return [{ method: 'POST', path: '/containers/prune', since: '1.25', handle: (request) => prune(deps, request) }];
}

async function prune(deps: ContainerPruneDeps, request: ApiRequest): Promise<Reply> {
  const filters = request.filters(FILTERS);
  const limits = filters.get('until').map(untilTime);
  const goes = ({ state, config, created }: ContainerRecord) =>
    STOPPED.includes(state.status) &&
    filters.labels(config.Labels ?? {}) &&
    limits.every((limit) => (parseRfc3339(created) ?? 0n) < limit);
  const gone: string[] = [];
  let reclaimed = 0;
  for (const record of deps.containers.list().filter(goes)) {
    const { rw } = await containerSizes(deps, record);
    if (!(await removed(deps, record))) continue;
    gone.push(record.id);
    reclaimed += rw;
  }
  deps.events.publish('container', 'prune', '', { reclaimed: String(reclaimed) });
  return json(200, { ContainersDeleted: gone.length > 0 ? gone : null, SpaceReclaimed: reclaimed });
}

/** One that another client starts or removes meanwhile does not stop the others. */
async function removed({ remove }: ContainerPruneDeps, record: ContainerRecord): Promise<boolean> {
  return remove(record).then(
    () => true,
    () => false,
  );
}

function untilTime(text: string): bigint {
  const time = parseTimestamp(text);
  if (time !== undefined) return time;
  throw badRequest(`invalid filter 'until=${text.slice(0, 64)}': it is a time or a duration`);
}
