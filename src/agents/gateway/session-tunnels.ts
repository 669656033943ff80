import { Injectable, type OnModuleInit } from '@nestjs/common';
import { AGENT_MESSAGE, type AgentCapability, type AgentTunnel, type AgentWelcome } from '#contracts';
import { Config, PeriodicTask } from '#platform';
import { ServerLease } from '../../cluster/index.js';
import type { Session } from './session.js';
import { SessionRegistry } from './session-registry.js';

const OPENS_TUNNELS: AgentCapability = 'tunnel.h2';

/** Tells agents how many tunnels they are to keep and which server processes there are: in the welcome, and when those change (docs/tunnel.md rule 3). */
@Injectable()
export class SessionTunnels implements OnModuleInit {
  private readonly task = new PeriodicTask(SessionTunnels.name, {
    failure: 'Agents could not be told which server processes there are',
    run: () => this.tell(),
  });

  constructor(
    private readonly config: Config,
    private readonly servers: ServerLease,
    private readonly registry: SessionRegistry,
  ) {}

  onModuleInit(): void {
    if (this.config.tunnels.perAgent > 0) this.servers.onAgentServers(() => this.task.wake());
  }

  /**
   * A session is greeted; from now on it hears of changes.
   * @returns what its welcome says: nothing to an agent that opens no tunnels, or is to have none
   */
  begin(session: Session, capabilities: readonly string[] = []): Pick<AgentWelcome, 'tunnel'> {
    session.opensTunnels = capabilities.includes(OPENS_TUNNELS);
    return session.opensTunnels && this.config.tunnels.perAgent > 0 ? { tunnel: this.tunnel } : {};
  }

  private get tunnel(): AgentTunnel {
    return { connections: this.config.tunnels.perAgent, endpoints: this.servers.agentUrls };
  }

  private tell(): Promise<void> {
    const { tunnel } = this;
    return this.registry.eachInSlices((session) => {
      if (session.opensTunnels) session.send(AGENT_MESSAGE.tunnel, tunnel);
    });
  }
}
