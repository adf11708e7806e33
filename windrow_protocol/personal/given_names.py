"""Given names that are common somewhere and mean little else: by these a name is seen that nothing around it announces.

Rules: facts, written down by language from what parents have called children for a century; a name that is also a
word, a month or a place (Rose, Will, April, Florence, Jordan, Mark, Ernst) is left out, because a text is full of
those. Compared without accents and in lower case.

Does not: hold surnames, or say anything about the person who bears one.

Usage: `is_given_name("Zoë")`.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final

_ENGLISH: Final = (
    "aaron abigail adam adrian aidan alan albert alex alexander alexandra alexis alfred alice alicia "
    "alison allison alyssa amanda amelia amy andrea andrew andy angela anita ann anna anne annie "
    "anthony arthur audrey barbara barry beatrice becky ben benjamin bernard beth betty bob bobby "
    "bonnie brad brenda brendan brian bridget brittany bruce bryan caitlin carl carla carol caroline "
    "carolyn catherine cathy charles chloe chris christina christine christopher cindy claire clara "
    "claudia colin connor cynthia daniel danielle danny darren dave david deborah debra denise dennis "
    "derek diana diane donald donna doris dorothy doug dylan eddie edgar edith edward eileen elaine "
    "eleanor elena elizabeth ella ellen ellie emily emma eric erica erin ethan eva evan evelyn fiona "
    "fred frederick gabriel gail gareth gary gavin geoffrey george gerald gina glenn greg gregory gwen "
    "hannah harold harriet harry hector helen henry herbert hugh ian irene isaac isabel isabella jack "
    "jackie jacob jacqueline jake james jamie jane janet janice jason jeff jeffrey jennifer jenny "
    "jeremy jerome jerry jesse jessica jill jim jimmy joan joanna joanne joe joel john johnny jonathan "
    "joseph josh joshua joyce juan judith judy julia julian julie justin karen karl kate katherine "
    "kathleen kathryn kathy katie keith ken kenneth kevin kieran kimberly kirsten kyle larry laura "
    "lauren laurence lawrence leah leonard liam linda lisa liz lois lori louis louise lucas lucy luke "
    "lydia lynn malcolm mandy marcus margaret maria marian marie marilyn marjorie martha martin "
    "mary matthew maureen megan melanie melissa meredith michael michelle mike mildred molly monica "
    "nancy naomi natalie natasha nathan nathaniel neil nicholas nick nicole nigel noah nora norman "
    "oliver olivia owen pamela patricia patrick paul paula pauline peggy peter philip phillip phoebe "
    "phyllis rachel ralph raymond rebecca rhys richard rick ricky rita robert rodney roger ron ronald "
    "roy ruth ryan sam samantha samuel sandra sara sarah sean sharon shaun sheila shirley simon sophia "
    "sophie stacey stephanie stephen steve steven susan suzanne sylvia tara teresa terry theodore "
    "theresa thomas tiffany tim timothy tina todd tom tommy tony tracey tracy trevor valerie vanessa "
    "vera veronica vincent walter wendy wilfred william willie yvonne zachary zoe"
)
_GERMAN_DUTCH_NORDIC: Final = (
    "agnes aksel albrecht alfons alois anders andreas anette anika anja anke anneke annelie annette "
    "annika antje arne arnold astrid axel bastian beate benedikt bengt berit bernd bernhard bert bianca "
    "birger birgit birgitta bjorn brigitte bruno carina carsten cees christa christel christoph "
    "cornelia daan dagmar detlef dieter dietmar dirk dominik doreen dorte ebba eberhard eckhard edda "
    "egon einar elfriede elisabeth elke ellinor elsa emil erhard erich erik erika erwin eskil esther "
    "ewald fabian femke ferdinand florian franz franziska freja fridtjof frieda friedrich fritz "
    "gabriele georg gerd gerda gerhard gerrit gertrud gisela gitte greta gretchen grete gudrun gunnar "
    "gunter gustav haakon hakan halvor hanna hanne hannelore hannes hans harald hartmut hedwig heidi "
    "heike heiko heiner heinrich heinz helga helge helmut hendrik henning henrik herbert hermann hilda "
    "hilde hildegard holger hubert inga inge ingeborg ingemar inger ingrid ingvar irma irmgard isolde "
    "jaap jan jana jannik jens jeroen jesper joachim joakim jochen johan johann johanna johannes jonas "
    "jorg jorgen jorn josef juliane jurgen jutta kaja karin karsten kaspar katarina katharina kathrin "
    "katja katrin kerstin kirsti kjell klara klaus knut konrad kristian kristin kristina kristine kurt "
    "lars lasse leif lena lennart liesbeth lieselotte linnea lothar lotte ludwig luise lukas maarten "
    "magdalena maike maja malin manfred manuela mareike margarete margit margot marianne marieke marit "
    "markus marlene martina mathias matthias maximilian meike melina merle michaela mikael mikkel "
    "mirjam monika moritz nadine niels nikolaus nils norbert olaf ottilie otto pernilla petra pia "
    "pieter rainer ralf rasmus regina reinhard renate rolf rudiger rudolf ruud sabine saskia sebastian "
    "sibylle siegfried sigrid silke silvia simone solveig sonja soren stefan stefanie steffen susanne "
    "sven svenja sverre thea theo thorsten thorvald tilman tobias tomas torben torsten trond trude udo "
    "ulf ulla ulrich ulrike ursula ute uwe vibeke viggo volker waltraud werner wiebke wilhelm "
    "wilhelmina wim wolfgang yngve"
)
_ROMANCE: Final = (
    "adriana adrien agathe agostino aimee alain alberto aldo alejandra alejandro alessandra alessandro "
    "alessia alessio alfonso alfredo alonso alphonse alvaro amelie ana anabela anais andre andres "
    "angelina angelo anneliese antoine antonella antonia antonio arianna armand armando arnaud arturo "
    "aurelie barbara beatriz benedetta benoit bernardo bertrand bruna bruno camila camille carlo carlos "
    "carlota carmela catarina caterina cecile celine cesar chantal chiara christelle "
    "christophe clarisse claudio clement clotilde colette concetta corinne cristian cristiano "
    "cristina damien daniela daniele dario delphine denis diego domenico dominique edoardo eduardo "
    "elisa elise elodie eloise emanuela emanuele emilia emilie emilio enrico enrique ernesto esteban "
    "estelle etienne eugenia eugenio fabien fabio fabrice fabrizio federica federico felicia felipe "
    "fernanda fernando filipa filippo flavia flavio francesca francesco francine francisca francois "
    "francoise gabriela gabriella gael gaston geraldine gerard germain gertrudis giacomo gianluca "
    "gianni gilbert gilles giorgia giorgio giovanna giovanni giulia giulio giuseppe gonzalo gregoire "
    "guido guilherme guillaume guillermo gustavo helene henri hernan hubert hugo ignacio ilaria ines "
    "inmaculada isabelle ivan jacopo jacques javier jeanne jerome joana joao joaquim joaquin jorge jose "
    "josefa joseph josephine josiane juana juliana julien juliette julio karine laetitia laurent "
    "leandro leonardo leonor leticia liliana lionel lorena lorenzo luc luca lucia luciana luciano lucie "
    "lucien ludovic luigi luis luisa madeleine manuel marc marcel marcela marcello marcelo marco marcos "
    "margarida margarita margherita mariana mariano mario marta marthe martine massimo mateo mathieu "
    "mathilde matilde matteo maurice mauricio maurizio mauro maxime michel michele micheline miguel "
    "mireille monique nadia nathalie nicola nicolas noelia octavio odette odile olivier orlando pablo "
    "paola paolo pasquale patrice patricio paulo pedro philippe pierre pietro rafael rafaela "
    "raffaele ramon raquel raul remi renato renaud rene ricardo riccardo roberta roberto rocio rodolfo "
    "rodrigo rogerio roland rolando romain rosalia ruben salvatore sandrine sergio severine silvio "
    "simona solange sylvain sylvie tatiana teodoro thibault thierry tiago ugo umberto valentina "
    "valeria vasco vicente vincenzo virginie vittoria vittorio viviana xavier yannick yolanda yves "
    "yvette"
)
_SLAVIC_BALTIC_FINNIC_HUNGARIAN: Final = (
    "aarne aino aleksandar aleksander aleksandr aleksandra aleksei alena ales alexei alzbeta anastasia "
    "anatoly andras andrei andrej andrzej aneta antal antonin antti arkadiusz arkady attila balazs "
    "barbora bartosz bela blanka bogdan boguslaw bohdan bohumil boleslaw boris branislav branko "
    "bronislaw cezary czeslaw dalibor damian danijela danuta darina dariusz darya dejan dimitar dmitri "
    "dmitry dobromir dorota dragan dusan dusko edyta eero eeva egor ekaterina elzbieta endre eszter "
    "evgeni evgenia ewa fedor feliks ferenc frantisek gabor galina gavril gennady grazyna grigori "
    "grzegorz gyorgy gyula halina hanka helena henryk hryhorij igor ildiko ilona ilya imre ioana "
    "irina istvan ivana ivo iwona izabela jadranka jadwiga jakub janek janos janusz jarmila jaromir "
    "jaroslav jaroslaw jasmina jelena jerzy jindrich jiri jirina jolanta josip jouni jozef jozsef juha "
    "juhani jukka julianna jurij justyna kaarina kaisa kalevi kalle kamil kamila karel karolina kasia "
    "katalin katerina katya kazimierz kinga kirill klaudia klavdia konstantin krisztian krisztina "
    "krystyna krzysztof ksenia kveta ladislav larisa laszlo lech leonid leszek lidia ljubica lubomir "
    "lucyna ludmila lukasz lyudmila maciej maksim malgorzata marek margarita marija mariusz marjatta "
    "markku matej mateja mateusz matti maxim michal mieczyslaw mihail mihaly mikhail mikko mikolaj "
    "milena milica milos miloslav miroslav miroslaw mladen nadezhda natalia natalya nikita nikola "
    "nikolai oksana oldrich oleg oleksandr olena olga ondrej pavel pavla pawel pekka pentti petar petr "
    "petri piotr pirjo przemyslaw radek radoslav radoslaw rafal raimo raisa regina renata risto ruslan "
    "ryszard sandor sanna seppo sergei sergey slavica slavko slawomir slobodan snezana stanislav "
    "stanislaw stepan svetlana szilvia szymon tadeusz taina tamara tamas tatyana tereza tibor timo "
    "tomasz tomislav tuomas tuula urszula vaclav vadim valentin valery vasily veronika vesna viktor "
    "viktoria vilmos vitaly vladimir vladislav vlasta vojtech volodymyr waclaw wanda weronika wieslaw "
    "wiktor witold wladyslaw wojciech yaroslav yelena yevgeny yulia yuri zbigniew zdenek zdravko zlatko "
    "zofia zoltan zoran zsofia zsuzsanna zuzana zygmunt"
)
_ELSEWHERE: Final = (
    "abdul abdullah aditya ahmed ahmet aisha akash akira alejandra alhassan ali amina amir amit ananya "
    "anil anjali arjun arun ashok asif ayesha aylin ayse babak bashir bilal bilge burak cem chidi "
    "chinedu deepak dilip dimitra dimitris ebru efua elif emeka emine emre eray fadi farah farid fatima "
    "fatma fumiko ganesh gaurav giannis giorgos gita gulsen habib hakan hamid hanif haruka haruki hasan "
    "hassan hatice hideo hiroko hiroshi huseyin hussein ibrahim imran indira ingabire ioanna iqbal "
    "ismail jamal jamila jiho jihye kamal karim karthik kavita keiko kemal kenji khadija khalid kiran "
    "kofi kostas kumiko kwame lakshman lakshmi latifa layla leila mahmoud makoto manish manoj maryam "
    "masako meera mehmet michiko miho mohamed mohammad mohammed mohan mustafa nadeem naoko nasser neha "
    "ngozi nikhil nikos nour olumide oluwaseun omar osama osman ozlem panagiotis parvati pradeep "
    "prakash pranav priya priyanka rahul rajesh rajiv rakesh ramesh rania rashid ravi reza rohan rohit "
    "sachin salim samira sandeep sanjay sayed selim serkan shahid shankar shinji sita spyros stavros "
    "sunil sunita suresh swati takashi takeshi tariq tomoko tunde usha vassilis vijay vikram vinod "
    "xiaoming yasmin yasuko yiannis yoko yoshiko youssef yuki yusuf zainab zeynep"
)


def _bare(word: str) -> str:
    """Return a word in lower case without accents; the letters that have none to lose are written out."""
    lowered = word.lower().translate(_WRITTEN_OUT)
    if lowered.isascii():
        return lowered
    return "".join(c for c in unicodedata.normalize("NFKD", lowered) if not unicodedata.combining(c))


_WRITTEN_OUT: Final = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "ß": "ss"})
_GIVEN: Final = frozenset(
    " ".join((_ENGLISH, _GERMAN_DUTCH_NORDIC, _ROMANCE, _SLAVIC_BALTIC_FINNIC_HUNGARIAN, _ELSEWHERE)).split()
)


@lru_cache(maxsize=8_192)
def is_given_name(word: str) -> bool:
    """Say whether a word, or the first part of one with a hyphen, is a common given name and little else."""
    bare = _bare(word)
    return bare in _GIVEN or ("-" in bare and bare.partition("-")[0] in _GIVEN)
