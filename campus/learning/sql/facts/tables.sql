-- The tables of facts and their rollups as questions see them: facts.cc declares them.
-- id: UserId campus::accounts::UserTag
-- id: CourseId campus::courses::CourseTag
-- id: LessonId campus::courses::LessonTag
-- id: QuizId campus::courses::QuizTag
-- type: CourseId learning_activity.course learning_progress.course learning_scores.course
-- type: UserId learning_activity.learner learning_progress.learner
-- type: LessonId learning_activity.lesson
-- type: QuizId learning_activity.quiz

create table learning_activity (
    happened_at timestamp not null,
    course bigint not null,
    learner bigint not null,
    kind text not null,
    lesson bigint,
    quiz bigint,
    points bigint,
    points_max bigint
);

create table learning_progress (
    course bigint not null,
    learner bigint not null,
    last_active timestamp not null,
    last_day timestamp,
    days bigint not null,
    enrolments bigint not null,
    departures bigint not null,
    lessons bigint not null,
    attempts bigint not null,
    completions bigint not null
);

create table learning_scores (
    course bigint not null,
    points bigint,
    points_max bigint,
    attempts bigint not null
);
