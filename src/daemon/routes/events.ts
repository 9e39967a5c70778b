/** GET /events: what is kept of the past, then what happens, until the client goes or --until is there. */
import { nowNanoseconds } from '../../util/nanoseconds.js';
import type { DaemonEvent, EventBus } from '../events.js';
import type { Filters } from '../filters.js';
import { badRequest } from '../http/api-error.js';
import { type ApiRequest, jsonLines, type Reply, type Route } from '../http/route.js';
import { parseTimestamp } from '../timestamp.js';
import { EVENT_FILTERS, eventFilter, eventView } from '../view/event.js';

export function eventRoutes({ events }: { readonly events: EventBus }): readonly Route[] {
  return [{ method: 'GET', path: '/events', handle: (request) => watch(events, request) }];
}

async function watch(events: EventBus, request: ApiRequest): Promise<Reply> {
  const filters: Filters = request.filters(EVENT_FILTERS);
  const since = time(request, 'since');
  const until = time(request, 'until');
  if (since !== undefined && until !== undefined && since > until)
    throw badRequest(
      `\`since\` time (${request.query('since')}) cannot be after \`until\` time (${request.query('until')})`,
    );
  const fits = eventFilter(filters);
  const wanted = (event: DaemonEvent) => (until === undefined || event.time <= until) && fits(event);
  return jsonLines(views(events, wanted, request.signal, since ?? (until === undefined ? undefined : 0n), until));
}

function time(request: ApiRequest, name: string): bigint | undefined {
  const text = request.query(name);
  if (!text) return undefined;
  const found = parseTimestamp(text);
  if (found !== undefined) return found;
  throw badRequest(
    `invalid query parameter ${name}: ${JSON.stringify(text.slice(0, 64))} is neither a time nor a duration`,
  );
}

async function* views(
  events: EventBus,
  wanted: (event: DaemonEvent) => boolean,
  signal: AbortSignal,
  since: bigint | undefined,
  until: bigint | undefined,
): AsyncGenerator<unknown> {
  const end = new AbortController();
  const stop = () => end.abort();
  signal.addEventListener('abort', stop, { once: true });
  const timer = until === undefined ? undefined : endAt(until, stop);
  try {
    if (signal.aborted) return;
    for await (const event of events.stream(wanted, end.signal, since)) yield eventView(event);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}

const MOST_MS = 2 ** 31 - 1;

function endAt(until: bigint, stop: () => void): NodeJS.Timeout {
  const ms = Number((until - nowNanoseconds()) / 1_000_000n);
  return setTimeout(stop, Math.min(Math.max(0, ms), MOST_MS));
}
