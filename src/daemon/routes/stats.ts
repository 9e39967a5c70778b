/** GET /containers/{id}/stats. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Actors } from '../container/actors.js';
import type { Container } from '../container/container.js';
import { describe, type Sample, Sampler } from '../container/stats.js';
import { badRequest } from '../http/api-error.js';
import { json, jsonLines, type Route } from '../http/route.js';

export interface StatsDeps {
  readonly actors: Pick<Actors, 'find'>;
}

const INTERVAL_MS = 1000;

export function statsRoutes({ actors }: StatsDeps): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/containers/{id}/stats',
      handle: async (request) => {
        const container = actors.find(request.param('id'));
        // Missing, it is true.
        const streamed = request.query('stream') === undefined || request.flag('stream');
        const oneShot = request.flag('one-shot');
        if (streamed && oneShot) throw badRequest('cannot have stream=true and one-shot=true');
        if (streamed) return jsonLines(every(container, request.signal));
        return json(200, await once(container, oneShot, request.signal));
      },
    },
  ];
}

/** Undefined for one that does not run any more. */
function sampler(container: Container): Sampler | undefined {
  return container.isRunning ? new Sampler(container) : undefined;
}

async function once(container: Container, oneShot: boolean, signal: AbortSignal): Promise<unknown> {
  const source = sampler(container);
  const previous = oneShot ? undefined : source?.read();
  if (previous !== undefined) await sleep(INTERVAL_MS, undefined, { signal });
  return describe(container, container.isRunning ? source?.read() : undefined, previous);
}

/** One that does not run has empty ones, until it is removed. */
async function* every(container: Container, signal: AbortSignal): AsyncGenerator<unknown> {
  let source: Sampler | undefined;
  let previous: Sample | undefined;
  let starts = -1;
  while (!signal.aborted && container.record.state.status !== 'removing') {
    if (starts !== container.record.starts || !container.isRunning) source = sampler(container);
    starts = container.record.starts;
    const sample = container.isRunning ? source?.read() : undefined;
    yield describe(container, sample, previous);
    previous = sample;
    await sleep(INTERVAL_MS, undefined, { signal }).catch(() => undefined);
  }
}
