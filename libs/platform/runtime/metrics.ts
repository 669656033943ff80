import { createServer, type Server } from 'node:http';
import { Module, type OnApplicationBootstrap, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance } from 'fastify';
import type { Pool } from 'pg';
import { collectDefaultMetrics, Gauge, Histogram, Registry, register } from 'prom-client';
import { DataSource } from 'typeorm';
import { Config } from '../config/config.js';
import { watchConnects } from '../database/pg-internals.js';
import { poolOf } from '../database/typeorm-internals.js';

/**
 * Serves `GET /metrics` on METRICS_PORT, apart from the API, so that a firewall can tell them apart, until the process has closed everything
 * else. Modules make their own counters in prom-client's default registry, named `gatehouse_…`; the process, the requests and the pool of an
 * application are in one of its own: a test process starts several. A start fails when the port is taken.
 */
@Module({})
export class MetricsModule implements OnModuleInit, OnApplicationBootstrap, OnApplicationShutdown {
  private readonly own = new Registry();
  private server: Server | undefined;

  constructor(
    private readonly config: Config,
    private readonly host: HttpAdapterHost,
    private readonly dataSource: DataSource,
  ) {}

  onModuleInit(): void {
    if (this.config.http.metricsPort === undefined) return;
    collectDefaultMetrics({ register: this.own });
    measureRequests(this.own, this.host.httpAdapter.getInstance<FastifyInstance>());
    measurePool(this.own, poolOf(this.dataSource));
  }

  async onApplicationBootstrap(): Promise<void> {
    const { host, metricsPort } = this.config.http;
    if (metricsPort === undefined) return;
    const server = createServer((request, response) => {
      if (request.method !== 'GET' || request.url?.split('?')[0] !== '/metrics')
        return void response.writeHead(404).end();
      const all = Registry.merge([register, this.own]);
      all.metrics().then(
        (text) => response.writeHead(200, { 'content-type': all.contentType }).end(text),
        () => response.writeHead(500).end(),
      );
    });
    await new Promise<void>((done, failed) => server.once('error', failed).listen(metricsPort, host, done));
    this.server = server.unref();
  }

  onApplicationShutdown(): void {
    this.server?.close();
    this.server?.closeAllConnections();
  }
}

/** By route pattern, never by path: a path holds ids, and would make a series of each. */
function measureRequests(registry: Registry, fastify: FastifyInstance): void {
  const seconds = new Histogram({
    name: 'gatehouse_http_request_seconds',
    help: 'Time from arrival to the end of the answer',
    labelNames: ['method', 'route', 'status'],
    registers: [registry],
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    const labels = {
      method: request.method,
      route: request.routeOptions.url ?? 'none',
      status: String(reply.statusCode),
    };
    seconds.observe(labels, reply.elapsedTime / 1000);
    done();
  });
}

function measurePool(registry: Registry, pool: Pool): void {
  const waits = new Histogram({
    name: 'gatehouse_pool_wait_seconds',
    help: 'Time that work waited for a database connection',
    registers: [registry],
    buckets: [0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
  });
  new Gauge({
    name: 'gatehouse_pool_connections',
    help: 'Database connections of this process, and callers waiting for one',
    labelNames: ['state'],
    registers: [registry],
    collect() {
      this.set({ state: 'open' }, pool.totalCount);
      this.set({ state: 'idle' }, pool.idleCount);
      this.set({ state: 'waiting' }, pool.waitingCount);
    },
  });
  watchConnects(pool, () => waits.startTimer());
}
