/** What the handlers of a registry are given. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Repositories } from '../image/repositories.js';
import type { ContentStore } from '../image/store.js';
import type { Uploads } from '../image/uploads.js';
import type { Upstream } from './upstream.js';

export interface Registry {
  readonly store: ContentStore;
  readonly repositories: Repositories;
  readonly uploads: Uploads;
  /** Of a cache: where everything comes from. */
  readonly upstream: Upstream | undefined;
}

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
}
