create table visits (number bigint not null, page text not null, "at" timestamp not null, seconds double);

create table pages (page text not null, visits bigint not null, last_at timestamp not null);
