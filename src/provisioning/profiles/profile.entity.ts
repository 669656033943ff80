import { Column, CreateDateColumn, Entity, PrimaryGeneratedColumn } from 'typeorm';

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
  @CreateDateColumn({ type: 'timestamptz' }) createdAt: Date;
}
