import { readFileSync } from 'node:fs';
import { Controller, Get, Header, Injectable } from '@nestjs/common';
import { ApiResponse, ApiTags } from '@nestjs/swagger';
import { fillInstaller } from '#contracts';
import { AtRoot, Config, ErrorResponses, notFound, Public } from '#platform';
import { AgentVersion } from '../agents.dto.js';

const BUNDLE = 'gatehouse-agent.mjs';
const WHY = 'the agent program holds no secret, and a machine has no credential before it runs';

/** What `npm run build` left for machines to fetch: the agent in one file, its hash, and the installer. */
@Injectable()
export class AgentFiles {
  constructor(private readonly config: Config) {}

  /** @throws not_found when this build carries no agent. */
  read(name: string): Buffer {
    try {
      return readFileSync(new URL(`../../../agent/${name}`, import.meta.url));
    } catch {
      throw notFound('Agent program');
    }
  }

  /** The installer for this server: its address, and the hash that the download must have. */
  installer(): string {
    const bundle = JSON.parse(this.read('version.json').toString()) as { version: string; sha256: string };
    return fillInstaller(this.read('install.sh').toString(), this.config.http.publicUrl.href, bundle);
  }
}

/** How the agent gets onto a machine. */
@ApiTags('Agents')
@Controller()
export class AgentDownloadController {
  constructor(private readonly files: AgentFiles) {}

  /** Download the agent program, one file for a bare Node */
  @Get(`agent/${BUNDLE}`)
  @AtRoot()
  @Public(WHY)
  @ErrorResponses(404)
  @Header('content-type', 'text/javascript; charset=utf-8')
  @ApiResponse({
    status: 200,
    description: 'The program',
    content: { 'text/javascript': { schema: { type: 'string' } } },
  })
  downloadAgent(): Buffer {
    return this.files.read(BUNDLE);
  }

  /** Read the SHA-256 of the agent program, as sha256sum prints it */
  @Get(`agent/${BUNDLE}.sha256`)
  @AtRoot()
  @Public(WHY)
  @ErrorResponses(404)
  @Header('content-type', 'text/plain; charset=utf-8')
  @ApiResponse({
    status: 200,
    description: 'Hash and file name',
    content: { 'text/plain': { schema: { type: 'string' } } },
  })
  downloadAgentHash(): Buffer {
    return this.files.read(`${BUNDLE}.sha256`);
  }

  /** Read version, hash and size of the agent program */
  @Get('agent/version.json')
  @AtRoot()
  @Public(WHY)
  @ErrorResponses(404)
  @Header('content-type', 'application/json; charset=utf-8')
  @ApiResponse({ status: 200, description: 'Version, hash and size', type: AgentVersion })
  downloadAgentVersion(): Buffer {
    return this.files.read('version.json');
  }

  /** Download the installer, a POSIX shell script made for this server */
  @Get('install.sh')
  @AtRoot()
  @Public(WHY)
  @ErrorResponses(404)
  @Header('content-type', 'text/x-shellscript; charset=utf-8')
  @ApiResponse({
    status: 200,
    description: 'The script',
    content: { 'text/x-shellscript': { schema: { type: 'string' } } },
  })
  downloadInstaller(): string {
    return this.files.installer();
  }
}
