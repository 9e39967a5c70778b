/** Metrics for Prometheus, with dockerd's names where they mean the same; served on --metrics-addr. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { TsrunError } from '../errors.js';
import { describeSystemError } from '../util/errno.js';
import { VERSION } from '../util/version.js';
import type { DaemonConfig } from './config/config.js';
import type { Containers } from './container/containers.js';
import type { EventBus } from './events.js';
import type { HttpOptions } from './http/server.js';

export interface Metrics {
  readonly observe: NonNullable<HttpOptions['observe']>;
  text(): Promise<string>;
}

export function openMetrics(containers: Containers, events: EventBus): Metrics {
  const registers = [new Registry()];
  const [registry = new Registry()] = registers;
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: 'engine_daemon_engine_info',
    help: 'which daemon this is',
    labelNames: ['version'],
    registers,
  }).set({ version: VERSION }, 1);
  new Gauge({
    name: 'engine_daemon_container_states_containers',
    help: 'containers by state',
    labelNames: ['state'],
    registers,
    collect() {
      for (const state of ['running', 'paused', 'stopped']) this.set({ state }, 0);
      for (const { state } of containers.list()) this.inc({ state: STATES[state.status] ?? 'stopped' });
    },
  });
  const happened = new Counter({
    name: 'engine_daemon_events_total',
    help: 'events by type',
    labelNames: ['type'],
    registers,
  });
  events.listen(({ type }) => happened.inc({ type }));
  const requests = new Histogram({
    name: 'engine_daemon_request_seconds',
    help: 'how long answers took; streams until their end',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.01, 0.1, 1, 10],
    registers,
  });
  return {
    observe: ({ method, route, status, seconds }) => requests.observe({ method, route, status }, seconds),
    text: () => registry.metrics(),
  };
}

const STATES: { readonly [status: string]: string } = { running: 'running', restarting: 'running', paused: 'paused' };

/** Throws TsrunError IO. */
export async function serveMetrics(
  { host, port }: NonNullable<DaemonConfig['metrics']>,
  metrics: Metrics,
): Promise<Server> {
  const server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    metrics.text().then(
      (text) => response.writeHead(200, { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  server.listen(port, host);
  await once(server, 'listening').catch((error: unknown) => {
    throw new TsrunError('IO', `--metrics-addr: ${host}:${port}: ${describeSystemError(error)}`, { cause: error });
  });
  return server;
}
