import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const JARS = ['bcpkix', 'bcprov', 'bcutil'];

/** Where Debian (libbcpkix-java) has it. */
const ofSystem = (jar: string): string => `/usr/share/java/${jar}.jar`;

/** Where Maven (`mvn dependency:get -Dartifact=org.bouncycastle:bcpkix-jdk18on:1.78.1`) has it. */
function ofMaven(jar: string): string {
  const folder = join(homedir(), `.m2/repository/org/bouncycastle/${jar}-jdk18on`);
  const [version = ''] = existsSync(folder) ? readdirSync(folder).sort().reverse() : [];
  return join(folder, version, `${jar}-jdk18on-${version}.jar`);
}

/** The class path of Bouncy Castle, where this machine has it and a Java that runs sources; undefined elsewhere. */
export function bouncyCastle(): string | undefined {
  if (spawnSync('javac', ['-version']).status !== 0) return undefined;
  return [ofSystem, ofMaven]
    .map((where) => JARS.map(where))
    .find((jars) => jars.every(existsSync))
    ?.join(':');
}
