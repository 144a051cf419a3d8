"""First and last names of many cultures, written in Latin letters: a list of each per culture.

Our own short selection of common names, 32 first and 32 last names for each of 20 cultures,
so that `names.py` can pair them without repeating itself for 20,480 people.
"""

from __future__ import annotations

from typing import Final

_TABLE: Final = (
    # English
    """Grace Oliver Emily Jack Hannah Thomas Alice Henry Ruth Samuel Lucy Arthur Clara Edward Rose
    Daniel Eleanor William Martha George Ivy Frank Violet Walter Nora Hugh Beth Simon Jane Peter
    Molly Ralph""",
    """Baker Turner Hughes Bennett Cooper Marsh Walsh Fletcher Harding Lowe Parsons Ward Norris
    Holloway Pearce Dalton Mercer Ashby Whitaker Sutton Barker Field Greene Hale Ingram Kemp Lamb
    Nash Potter Reed Stone Webb""",
    # Spanish
    """Lucía Mateo Sofía Diego Carmen Javier Elena Pablo Marta Andrés Inés Sergio Paula Rafael
    Rocío Álvaro Pilar Gonzalo Teresa Hugo Nuria Emilio Blanca Ramón Alba Iván Silvia Tomás Laura
    Óscar Irene Joaquín""",
    """García Fernández Romero Navarro Torres Domínguez Vargas Ramos Gil Serrano Blanco Molina
    Suárez Ortega Delgado Castro Ortiz Rubio Marín Sanz Iglesias Núñez Medina Garrido Cortés
    Castillo Santos Lozano Guerrero Cano Prieto Méndez""",
    # Portuguese and Brazilian
    """Ana João Beatriz Tiago Mariana Rui Catarina Bruno Larissa Thiago Joana Nuno Camila Felipe
    Leonor Vasco Fernanda Caio Letícia Murilo Raquel Duarte Luana Otávio Filipa Gustavo Bianca
    Renato Matilde Davi Helena Miguel""",
    """Silva Santos Oliveira Souza Pereira Costa Carvalho Almeida Ferreira Ribeiro Rodrigues Gomes
    Martins Araújo Melo Barbosa Rocha Dias Nascimento Moreira Nunes Mendes Freitas Cardoso Teixeira
    Correia Cavalcanti Moura Campos Lopes Pinto Azevedo""",
    # French
    """Camille Louis Manon Antoine Chloé Julien Léa Mathieu Élise Bastien Margaux Clément Juliette
    Étienne Inès Baptiste Aurélie Guillaume Céline Romain Amélie Olivier Sandrine Thibault Noémie
    Florian Agathe Rémi Solène Benoît Louise Gaspard""",
    """Moreau Lefèvre Girard Rousseau Fontaine Chevalier Gauthier Perrin Robin Masson Lemaire Roche
    Blanchard Dupuis Garnier Faure Mercier Barbier Renard Picard Colin Vidal Caron Fabre Aubert
    Olivier Leroux Bertrand Meunier Marchand Dumas Brunet""",
    # German
    """Lena Jonas Anna Lukas Greta Felix Johanna Moritz Katharina Matthias Frieda Anton Sabine
    Stefan Jule Emil Ursula Jürgen Nele Till Heike Uwe Marlene Konrad Birgit Holger Mathilda Oskar
    Ingrid Bernd Lotte Jakob""",
    """Müller Schneider Fischer Weber Becker Hoffmann Schäfer Koch Bauer Richter Klein Wolf
    Schröder Neumann Zimmermann Braun Krüger Hartmann Lange Krause Meier Lehmann Köhler Huber
    Kaiser Fuchs Peters Scholz Vogel Jung Keller Berger""",
    # Italian
    """Giulia Lorenzo Chiara Matteo Francesca Alessandro Elisa Davide Sara Riccardo Valentina
    Simone Martina Gabriele Federica Nicola Ilaria Stefano Serena Paolo Arianna Fabio Giorgia
    Enrico Alessia Marco Bianca Pietro Ludovica Dario Noemi Luca""",
    """Rossi Russo Ferrari Esposito Bianchi Romano Colombo Ricci Marino Greco Bruno Gallo Conti
    De_Luca Mancini Costa Giordano Rizzo Lombardi Moretti Barbieri Fontana Santoro Mariani Rinaldi
    Caruso Ferrara Galli Martini Leone Longo Gentile""",
    # Nordic
    """Astrid Erik Ingrid Lars Freja Magnus Sigrid Nils Elin Anders Maja Björn Linnea Oskar Saga
    Gustav Åsa Håkon Signe Mikkel Aino Eero Helmi Väinö Ragnhild Sven Tuva Leif Kirsten Søren Ylva
    Jari""",
    """Andersson Johansen Nilsson Hansen Lindberg Olsen Bergström Dahl Sørensen Holm Lund Nyström
    Virtanen Korhonen Mäkinen Nieminen Halvorsen Berg Solberg Strand Eklund Sandberg Moen Haugen
    Jørgensen Thomsen Winther Laine Salonen Forsberg Öberg Hagen""",
    # Polish and Czech
    """Zofia Jakub Hanna Szymon Maja Wojciech Agnieszka Piotr Katarzyna Tomasz Magdalena Paweł Ewa
    Michał Joanna Krzysztof Tereza Ondřej Eliška Vojtěch Lucie Matěj Jitka Zdeněk Barbora Radek
    Alena Marek Iwona Dariusz Klára Jiří""",
    """Kowalska Nowak Wiśniewska Wójcik Kamińska Lewandowska Zielińska Szymańska Dąbrowska
    Kozłowska Mazur Krawczyk Kaczmarek Piotrowska Grabowska Pawlak Michalak Novák Svoboda Dvořák
    Procházka Kučera Horák Němec Pokorný Marek Pospíšil Hájek Král Růžička Beneš Fiala""",
    # Russian and Ukrainian
    """Olga Dmitri Natalia Sergei Oksana Andriy Irina Pavel Tetiana Mykola Svetlana Alexei Yulia
    Bohdan Larisa Viktor Daria Roman Polina Maxim Solomiia Taras Vera Ilya Kateryna Yevhen Lidia
    Anatoly Marina Oleh Zoya Ruslan""",
    """Shevchenko Bondarenko Kovalenko Tkachenko Kravchuk Melnyk Lysenko Marchenko Moroz Savchenko
    Rudenko Petrenko Koval Hrytsenko Zhuk Panchenko Vasylenko Sorokin Ivanenko Karpenko Levchenko
    Nazarenko Didenko Fomenko Boyko Kuzmenko Orlenko Yurchenko Zaitsev Gromov Belov Titov""",
    # Greek and Balkan
    """Eleni Giorgos Maria Nikos Katerina Yannis Sofia Kostas Despina Dimitris Ioanna Petros Milica
    Stefan Jelena Marko Ana Luka Ivana Goran Mira Dragan Vesna Zoran Rada Boris Elitsa Kiril
    Desislava Plamen Teodora Vasil""",
    """Papadopoulos Georgiou Nikolaidis Pappas Economou Alexiou Makris Vlachos Angelopoulos
    Karras Zervas Kostopoulos Jovanović Petrović Nikolić Marković Đorđević Stojanović Ilić Horvat
    Kovačević Babić Marić Novak Dimitrov Ivanov Georgiev Stoyanov Petrov Kolev Iliev Todorov""",
    # Turkish
    """Elif Mehmet Zeynep Emre Ayşe Mustafa Defne Can Fatma Kerem Selin Burak Merve Ozan Derya Cem
    Esra Onur İpek Serkan Nehir Tolga Gizem Kaan Sibel Barış Melis Deniz Leyla Volkan Ceren
    Hakan""",
    """Yılmaz Kaya Demir Şahin Çelik Yıldız Aydın Özdemir Arslan Doğan Kılıç Aslan Çetin Kara Koç
    Kurt Özkan Şimşek Polat Korkmaz Güven Güneş Aksoy Bulut Taş Avcı Tekin Bozkurt Uçar Ateş
    Güler Sarı""",
    # Arabic
    """Layla Omar Fatima Karim Nour Hassan Amina Youssef Salma Khalid Rania Tariq Huda Samir Yasmin
    Nabil Mona Ziad Dina Rashid Lina Faisal Aisha Bilal Zahra Walid Samira Hamza Maryam Jamal Reem
    Idris""",
    """Haddad Mansour Khalil Nasser Farouk Aziz Saleh Hamdan Najjar Khoury Awad Saad Darwish Sabbagh
    Barakat Hijazi Jaber Kassem Masri Nasr Qasim Rahman Shaheen Sultan Tawfiq Zaki Bishara Fares
    Halabi Ismail Karam Sayegh""",
    # Persian and Central Asian
    """Shirin Reza Parisa Farhad Niloufar Kaveh Azadeh Behrouz Mina Siavash Roya Dariush Golnaz
    Arash Leila Babak Aigerim Nurlan Madina Timur Dilnoza Jasur Gulnara Azamat Zarina Rustam Nargiz
    Elchin Sevara Bekzod Aliya Yerlan""",
    """Hosseini Ahmadi Karimi Moradi Rahimi Jafari Sadeghi Rostami Kazemi Norouzi Tehrani Shirazi
    Farhadi Bahrami Ebrahimi Golzar Nazari Akbari Samadi Ghorbani Aliyev Karimov Rahimov Yusupov
    Sultanov Mammadov Huseynov Bekova Nurmagambetov Akhmetov Ismailov Saidov""",
    # Indian
    """Priya Arjun Ananya Rohan Kavya Vikram Meera Aditya Lakshmi Sanjay Divya Karthik Pooja Rahul
    Nisha Suresh Isha Manoj Radha Nikhil Swati Ashok Tara Deepak Sunita Varun Neha Harish Anjali
    Gopal Shreya Vivek""",
    """Sharma Patel Reddy Nair Iyer Gupta Singh Kulkarni Banerjee Chatterjee Menon Rao Joshi Desai
    Mehta Verma Pillai Bose Kapoor Chauhan Mishra Naidu Shetty Das Ghosh Bhatt Malhotra Saxena
    Trivedi Agarwal Hegde Sen""",
    # Chinese
    """Wei Mei Jun Lan Hao Xiu Jing Ming Yan Feng Ling Chao Fang Gang Hui Jie Xin Peng Na Lei Qing
    Tao Rong Yong Yu Bo Shan Kai Ying Zhen Dan Rui""",
    """Wang Li Zhang Liu Chen Yang Huang Zhao Wu Zhou Xu Sun Ma Zhu Hu Guo He Lin Gao Luo Zheng
    Liang Xie Song Tang Deng Han Feng Cao Peng Zeng Xiao""",
    # Japanese
    """Yuki Haruto Sakura Ren Aoi Kenji Hana Takumi Mio Hiroshi Rin Daichi Yui Satoshi Akari Shota
    Emi Kaito Naomi Ryo Kaori Makoto Chihiro Tetsuya Misaki Yuto Ayumi Kazuo Nanami Isamu Fumiko
    Jiro""",
    """Sato Suzuki Takahashi Tanaka Watanabe Ito Yamamoto Nakamura Kobayashi Kato Yoshida Yamada
    Sasaki Matsumoto Inoue Kimura Hayashi Shimizu Mori Abe Ikeda Hashimoto Ishikawa Ogawa Okada
    Goto Hasegawa Murakami Kondo Endo Aoki Fujita""",
    # Korean and Vietnamese
    """Ji-woo Min-jun Seo-yeon Do-yun Ha-eun Hyun-woo Soo-ah Jae-won Eun-ji Tae-yang Bo-ram
    Sung-min Na-ri Dong-hyun Yu-na Kyung-ho Linh Minh Thảo Quân Hương Đức Mai Tuấn Ngọc Hải Trang
    Khoa Vy Long Yến Phúc""",
    """Kim Lee Park Choi Jung Kang Cho Yoon Jang Lim Han Oh Seo Shin Kwon Hwang Nguyễn Trần Phạm
    Hoàng Phan Vũ Đặng Bùi Đỗ Hồ Ngô Dương Lý Đinh Trịnh Mạc""",
    # West and Central African
    """Ama Kwame Ngozi Chidi Adaeze Tunde Folake Kofi Abena Emeka Ifeoma Segun Yaa Kojo Amara
    Obinna Fatou Mamadou Aminata Ousmane Mariama Cheikh Awa Ibrahima Nkechi Femi Efua Yaw Chiamaka
    Sekou Binta Modou""",
    """Mensah Okafor Adeyemi Owusu Diallo Traoré Okonkwo Asante Balogun Boateng Eze Ndiaye Diop
    Keita Osei Nwosu Adebayo Touré Cissé Appiah Okoro Fofana Camara Sow Adjei Ogunleye Bello Sarr
    Koné Ankrah Onyeka Faye""",
    # East and Southern African
    """Wanjiru Otieno Amani Juma Zuri Baraka Neema Kamau Achieng Mwangi Thandiwe Sipho Nomsa Thabo
    Lerato Bongani Zanele Tendai Rudo Tafadzwa Selam Dawit Hirut Abebe Almaz Tesfaye Naledi Kagiso
    Palesa Mandla Imani Odhiambo""",
    """Kimani Mutua Ochieng Njoroge Wambui Mthembu Dlamini Nkosi Ndlovu Khumalo Mokoena Moyo Ncube
    Sibanda Tesfamariam Bekele Haile Girma Alemu Tadesse Kiprop Cheruiyot Rotich Mwinyi Hamisi
    Mrema Mugisha Okello Banda Phiri Zulu Molefe""",
    # Peoples of the Pacific and of South-East Asia
    """Leilani Kai Aroha Tane Moana Wiremu Sina Tavita Losa Sione Putri Budi Dewi Agus Sari Bayu
    Intan Rizal Citra Hendra Siti Farid Maricel Jomar Luz Ramil Tala Datu Somchai Malee Niran
    Kanya""",
    """Kahale Kealoha Tamati Ngata Parata Faleolo Tupou Vaipulu Leota Fonoti Wijaya Santoso
    Hidayat Pratama Kusuma Nugroho Siregar Lubis Rahmat Abdullah Reyes Bautista Villanueva
    Manalo Dimaano Salonga Chaiyasit Srisai Wongsa Boonmee Suwan Thongchai""",
)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.replace("_", " ") for word in text.split())


CULTURES: Final = tuple(
    (_words(_TABLE[i]), _words(_TABLE[i + 1])) for i in range(0, len(_TABLE), 2)
)
"""(first names, last names) of each culture; every list has the same length."""
