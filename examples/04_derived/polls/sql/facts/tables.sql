create table votes (happened_at timestamp not null, poll bigint not null, choice text not null);

create table choices (choice text not null, votes bigint not null, last_at timestamp not null);
