-- loadstone_fact_feed: `holder` is which server has the store, to be told to those who have not; '' of one that all reach. `history`:
-- a hash of all facts that have been carried, in their order (internal/history.h); 0: not known.
alter table loadstone_fact_feed add column holder text not null default '';
alter table loadstone_fact_feed add column history bigint not null default 0;
