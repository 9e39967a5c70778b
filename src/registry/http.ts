/**
 * One HTTP request at a time, over Node's own client: pooled connections, the TLS of a registry, proxies, and a limit on
 * how long a connection may say nothing. Redirects, credentials and retries are client.ts's.
 */
import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest, type RequestOptions } from 'node:https';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Proxies, proxyFor, requestToProxy, TunnelAgent } from './proxy.js';

export interface Tls {
  /** PEM: all that are trusted; none for those that Node brings. */
  readonly ca: readonly string[];
  readonly clientCertificates: readonly { readonly cert: string; readonly key: string }[];
  /** Only for a registry that the user named as insecure. */
  readonly skipVerify: boolean;
}

export interface TransportOptions {
  readonly tls: Tls;
  readonly proxies: Proxies;
  /** Milliseconds without a byte after which a connection is given up. */
  readonly stallMs: number;
  readonly userAgent: string;
}

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers: { readonly [name: string]: string };
  readonly body?: Body | undefined;
  /** The registry itself; others never see the certificate that stands for the user. */
  readonly ownOrigin: boolean;
}

export interface Body {
  readonly size: number;
  readonly open: () => AsyncIterable<Uint8Array>;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: IncomingMessage;
}

/** A connection that said nothing for too long. */
export class StalledError extends Error {
  readonly code = 'ETIMEDOUT';
}

const MAX_SOCKETS = 16;

/** A resource: close() lets the process end. */
export class Transport {
  private readonly agents = new Map<string, HttpAgent>();

  constructor(private readonly options: TransportOptions) {}

  /** Rejects with what the network said: an Error with code. Statuses are no errors here. */
  send(request: HttpRequest): Promise<HttpResponse> {
    return new Promise((resolve, reject) => this.start(request, resolve, reject));
  }

  close(): void {
    for (const agent of this.agents.values()) agent.destroy();
  }

  private start(
    { method, url, headers, body, ownOrigin }: HttpRequest,
    resolve: (response: HttpResponse) => void,
    reject: (error: unknown) => void,
  ): void {
    const all = {
      'user-agent': this.options.userAgent,
      ...headers,
      ...(body === undefined ? {} : { 'content-length': String(body.size) }),
    };
    const request = this.open(url, { method, headers: all }, ownOrigin);
    let response: IncomingMessage | undefined;
    request.setTimeout(this.options.stallMs, () => {
      const seconds = Math.round(this.options.stallMs / 1000);
      (response ?? request).destroy(new StalledError(`nothing came for ${seconds} s`));
    });
    request.on('error', reject); // behind the response too, where nobody listens any more
    request.on('response', (message) => {
      response = message;
      resolve({ status: message.statusCode ?? 0, headers: message.headers, body: message });
    });
    if (body === undefined) request.end();
    else {
      // A registry may answer before it has read everything: then the answer counts, not the broken pipe.
      pipeline(Readable.from(body.open(), { objectMode: false, highWaterMark: 1024 * 1024 }), request).catch(
        (error) => {
          if (response === undefined) reject(error);
        },
      );
    }
  }

  private open(url: URL, options: RequestOptions, ownOrigin: boolean): ClientRequest {
    const proxy = proxyFor(url, this.options.proxies);
    const agent = this.agentFor(url, ownOrigin, proxy);
    if (url.protocol === 'https:') return httpsRequest(url, { ...options, agent });
    if (proxy === undefined) return httpRequest(url, { ...options, agent });
    return requestToProxy(proxy, { ...options, path: url.href, headers: { ...options.headers, host: url.host } });
  }

  private agentFor({ protocol }: URL, ownOrigin: boolean, proxy: URL | undefined): HttpAgent {
    const key = `${protocol} ${ownOrigin} ${proxy?.href ?? ''}`;
    const agent = this.agents.get(key) ?? this.makeAgent(protocol, ownOrigin, proxy);
    this.agents.set(key, agent);
    return agent;
  }

  private makeAgent(protocol: string, ownOrigin: boolean, proxy: URL | undefined): HttpAgent {
    const pool = { keepAlive: true, maxSockets: MAX_SOCKETS, scheduling: 'lifo' as const };
    if (protocol !== 'https:') return new HttpAgent(pool);
    const options = { ...pool, ...this.tlsOptions(ownOrigin) };
    return proxy === undefined ? new HttpsAgent(options) : new TunnelAgent(proxy, this.options.stallMs, options);
  }

  private tlsOptions(ownOrigin: boolean) {
    const { ca, clientCertificates, skipVerify } = this.options.tls;
    const [first] = ownOrigin ? clientCertificates : [];
    return {
      minVersion: 'TLSv1.2' as const,
      rejectUnauthorized: !(skipVerify && ownOrigin),
      ...(ca.length > 0 ? { ca: [...ca] } : {}),
      ...(first === undefined ? {} : { cert: first.cert, key: first.key }),
    };
  }
}

/** At most `most` bytes. Throws Error: the connection's, or that it is too large. */
export async function readBody(body: AsyncIterable<Uint8Array>, most: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > most) throw new RangeError(`larger than ${most} bytes`); // leaving the loop closes the connection
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
