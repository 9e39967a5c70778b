/** GET /containers/{id}/logs. */

import { parseRfc3339, parseUnixTime } from '../../util/nanoseconds.js';
import type { Actors } from '../container/actors.js';
import type { Container } from '../container/container.js';
import { driverOf, extraAttributes, logPlace } from '../container/log-config.js';
import { badRequest, notImplemented } from '../http/api-error.js';
import { type ApiRequest, type Reply, type Route, stream } from '../http/route.js';
import { formatLog } from '../logs/frames.js';
import { readLog } from '../logs/read.js';
import { streamType } from './attach.js';

export interface LogsDeps {
  readonly actors: Pick<Actors, 'find'>;
}

export function logsRoutes({ actors }: LogsDeps): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/containers/{id}/logs',
      handle: async (request) => logs(actors.find(request.param('id')), request),
    },
  ];
}

function logs(container: Container, request: ApiRequest): Reply {
  const { record, needs } = container;
  const [stdout, stderr] = [request.flag('stdout'), request.flag('stderr')];
  if (!stdout && !stderr)
    throw badRequest(
      "Bad parameters: you must choose at least one stream: must specify at least one of 'stdout' or 'stderr'",
    );
  const place = logPlace(record, needs.directory);
  if (place === undefined) {
    const driver = driverOf(record.hostConfig.LogConfig);
    throw notImplemented(`configured logging driver does not support reading: ${driver}`);
  }
  const terminal = record.config.Tty === true;
  const over = new AbortController();
  const follow = request.flag('follow');
  if (follow) void container.stopped(request.signal).then(() => over.abort());
  const entries = readLog(place, {
    tail: tailOf(request.query('tail')),
    since: timeOf(request.query('since'), 'since'),
    until: timeOf(request.query('until'), 'until'),
    follow,
    over: over.signal,
    gone: request.signal,
  });
  const form = {
    ...{ stdout, stderr, framed: !terminal },
    timestamps: request.flag('timestamps'),
    details: request.flag('details'),
    attributes: extraAttributes(record),
  };
  return stream(200, { 'Content-Type': streamType(terminal, request) }, formatLog(entries, form));
}

/** What is no number is all, as in dockerd. */
function tailOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

/** Seconds with a fraction, or RFC 3339; 0 and nothing: no bound. Throws ApiError 400. */
function timeOf(text: string | undefined, name: string): bigint | undefined {
  if (text === undefined || text === '' || text === '0') return undefined;
  const time = parseUnixTime(text) ?? parseRfc3339(text);
  if (time !== undefined) return time;
  throw badRequest(`invalid value for "${name}": ${text.slice(0, 64)} is no time`);
}
