export interface MachinePostgres {
  bin: string;
  major: number;
}
export function findMachinePostgres(): MachinePostgres | undefined;
export function startMachinePostgres(
  found: MachinePostgres,
  settings?: Record<string, string | number>,
  tls?: { cert: string; key: string },
): Promise<{ url: string; postmasterPid: number; folder: string; stop(): Promise<void> }>;
