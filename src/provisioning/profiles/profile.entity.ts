import { Column, CreateDateColumn, Entity, PrimaryGeneratedColumn } from 'typeorm';

/** Whether a bundle is only given to a site that it can be sealed for. */
export const SEALED = ['required', 'when_possible'] as const;
export type Sealed = (typeof SEALED)[number];

/** What happens when two machines hold the credential of one site: an event, or beside it neither gets a lease. */
export const ON_CLONE = ['alert', 'hold'] as const;
export type OnClone = (typeof ON_CLONE)[number];

/** What a new site inherits. (int8, not bigint: TypeORM turns a generated bigint into text on insert.) */
@Entity('provisioning_profile')
export class Profile {
  @PrimaryGeneratedColumn({ type: 'int8' }) profileId: number;
  @Column('text') orgId: string;
  @Column('text') name: string;
  @Column('text', { nullable: true }) description: string | null;
  @Column('jsonb') labels: Record<string, string>;
  @Column('jsonb') config: Record<string, unknown>;
  @Column('jsonb') attributes: Record<string, unknown>;
  @Column('text', { nullable: true }) blueprint: string | null;
  @Column('text') sealed: Sealed;
  @Column('text') onClone: OnClone;
  @CreateDateColumn({ type: 'timestamptz' }) createdAt: Date;
}
